/* A prediction: what a caller configures. A draft until its users, events and products models are
 * named and found. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/faults.h"
#include "base/json.h"

#define PREDICTION_ID_MAX 40

/* Event types beside the target, and how many of all make a good prediction. */
#define PREDICTION_SIGNALS_MAX     9
#define PREDICTION_EVENT_TYPES_LOW 3
#define PREDICTION_EVENT_TYPES_TOP 7

typedef enum PredictionType { PREDICTION_PRODUCT_RECOMMENDATIONS } PredictionType;

typedef enum PurchasedItems {
    PURCHASED_ITEMS_AUTO,
    PURCHASED_ITEMS_EXCLUDE,
    PURCHASED_ITEMS_ALLOW,
    PURCHASED_ITEMS_EXCLUDE_WITHIN
} PurchasedItems;

/* Which products an excluded period is about: those with one of the values in the column, and those
 * of the ids. */
typedef struct ExcludedProducts {
    char *column;  /* a mapped product column, with `values`; or NULL */
    char **values; /* exact; NULL without a column */
    char **ids;    /* NULL: none; all three NULL: the period is about every line */
} ExcludedProducts;

typedef struct ExcludedPeriod {
    int64_t from, to; /* [from, to) µs */
    char *reason;
    ExcludedProducts products;
} ExcludedPeriod;

typedef struct TrainingPeriod {
    int64_t from, to; /* INT64_MIN when open */
    ExcludedPeriod *excluded;
    size_t n_excluded;
} TrainingPeriod;

/* An event type beside the target: carts, views, wish lists. */
typedef struct PredictionSignal {
    char *model;           /* id of a model of type events */
    char *name;            /* slug, distinct; default: the model's id */
    double weight;         /* of one event, a purchase being 1: 0 to 10; -1: learned */
    double half_life_days; /* 0.1 to 3650; 0: learned */
} PredictionSignal;

typedef struct PredictionModels {
    char *users, *events, *products; /* model ids; NULL in a draft */
    PredictionSignal *signals;
    size_t n_signals; /* ≤ PREDICTION_SIGNALS_MAX */
} PredictionModels;

typedef struct Prediction {
    char *id; /* slug, ≤ PREDICTION_ID_MAX */
    char *name;
    char *description;
    int type; /* PredictionType */
    PredictionModels models;
    char **attributes;    /* mapped product columns that feed the engine; NULL: all */
    int64_t n;            /* products per person, 1 to 100, default 10 */
    int64_t horizon_days; /* 15 to 90, default 30 */
    TrainingPeriod period;
    int purchased_items;         /* PurchasedItems, default auto */
    int64_t exclude_within_days; /* 1 to 3650, with exclude_within only; 0: none */
    int64_t seed;                /* default 1 */
} Prediction;

/* NULL with faults. Whether models exist, have the right type and share a source is the caller's to
 * check. */
Prediction *prediction_read(const cJSON *body, Faults *faults);
void prediction_write(const Prediction *prediction, JsonWriter *writer); /* without the braces */
void prediction_free(Prediction *prediction);

/* True when nothing is missing for a training; else the pointers of what is missing are written
 * (NULL-terminated, static strings) into missing[4]. */
bool prediction_is_complete(const Prediction *prediction, const char *missing[4]);

/* The same as an error: ERR_NOT_READY naming what is missing. */
bool prediction_check_complete(const Prediction *prediction, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Prediction, prediction_free)
