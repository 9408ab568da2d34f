/* An audience: the customers most likely to want a product, or a value of a mapped column. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/faults.h"
#include "base/json.h"

#define AUDIENCE_ID_MAX 40

typedef struct Audience {
    char *id; /* slug */
    char *name;
    char *description;
    char *prediction;  /* its id */
    char *product;     /* a product id; or NULL */
    char *column;      /* a mapped column, with `value`; or NULL: exactly one of the two forms */
    char *value;       /* exact and case sensitive */
    int64_t max_size;  /* 0: none given */
    double percentile; /* (0, 100]: that share of the predictable users; 0: none given */
} Audience;

/* NULL with faults. Exactly one of max_size and percentile may be given; neither: percentile 20. */
Audience *audience_read(const cJSON *body, Faults *faults);
void audience_write(const Audience *audience, JsonWriter *writer); /* without the braces */
void audience_free(Audience *audience);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Audience, audience_free)
