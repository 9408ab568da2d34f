/* An audience: the customers most likely to want a product, products with a value of a mapped
 * column, or a product that is not yet in the data and is described by its attributes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/faults.h"
#include "base/json.h"

#define AUDIENCE_ID_MAX         40
#define AUDIENCE_ATTRIBUTES_MAX 20

/* What it asks for: each kind is a set of members of the body, all of them and no others. */
typedef enum AudienceKind { AUDIENCE_PRODUCT, AUDIENCE_VALUE, AUDIENCE_ATTRIBUTES } AudienceKind;

/* One attribute of a product that is not yet in the data. */
typedef struct AudienceAttribute {
    char *column; /* a mapped column */
    char *value;  /* exact and case sensitive; a number of a numeric column */
    bool is_new;  /* no product in the data has it, on purpose */
} AudienceAttribute;

typedef struct Audience {
    char *id; /* slug */
    char *name;
    char *description;
    char *prediction;  /* its id */
    AudienceKind kind; /* the members of the other kinds are empty */
    char *product;     /* a product id */
    char *column;      /* a mapped column */
    char *value;       /* exact and case sensitive */
    AudienceAttribute *attributes;
    size_t n_attributes;
    int64_t max_size;       /* 0: none given */
    double percentile;      /* (0, 100]: that share of the predictable users; 0: none given */
    double min_probability; /* (0, 1]: of every member; 0: none given */
} Audience;

/* NULL with faults. One of max_size and percentile may be given, with or without min_probability;
 * none of the three: percentile 20. */
Audience *audience_read(const cJSON *body, Faults *faults);
void audience_write(const Audience *audience, JsonWriter *writer); /* without the braces */

/* What and how many it asks for, as text that is the same for the same: not its id, name and
 * description. For g_free(). */
char *audience_wish(const Audience *audience);
void audience_free(Audience *audience);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Audience, audience_free)
