/* A model: one table, view or SELECT of the shop as the caller describes it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/faults.h"
#include "base/json.h"

#define MODEL_ID_MAX 40

typedef enum ModelType { MODEL_USERS, MODEL_EVENTS, MODEL_PRODUCTS } ModelType;

typedef enum FieldKind { KIND_CATEGORICAL, KIND_NUMERIC, KIND_TEXT, KIND_TIME, KIND_ID } FieldKind;

/* A mapped column: the name predictions, audiences and answers use, and the shop's column. */
typedef struct ModelField {
    char *name; /* default: the column's own name */
    char *column;
    int kind;        /* FieldKind; default categorical */
    char *separator; /* one ASCII character for multi-valued cells, or NULL */
} ModelField;

typedef struct Model {
    char *id; /* slug, ≤ MODEL_ID_MAX; default: made from the name */
    char *name;
    char *description; /* or NULL */
    int type;          /* ModelType */
    char *source;      /* a [source …] of the settings */
    char *table;       /* "schema.table" or "table" (a view too); or NULL */
    char *sql;         /* one SELECT; or NULL: exactly one of the two */
    char *primary_key; /* column, unique and not null */
    /* events only: */
    char *user_key, *product_key, *time; /* columns, required for events */
    char *quantity; /* column or NULL: each row counts 1. Order lines, the target, need it */
    char *order_key, *price; /* columns or NULL */
    /* users and products only: */
    ModelField *fields;
    size_t n_fields;
} Model;

/* Reads and checks everything that can be known without the database: members, limits, exactly one
 * of table and sql, what each type needs and refuses, names twice. NULL with faults. */
Model *model_read(const cJSON *body, Faults *faults);
void model_write(const Model *model, JsonWriter *writer); /* members, without the braces */
void model_free(Model *model);

const char *model_type_name(int type);
const char *field_kind_name(int kind);

/* A slug of at most `max` characters made from any text ("Next purchase – UK" →
 * "next-purchase-uk"); NULL when nothing is left. For g_free(). */
char *slug_from(const char *text, size_t max);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Model, model_free)
