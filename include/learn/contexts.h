/* What is known of users who have no list of their own, who never bought or not within the year:
 * users of whom the same is known share a context, a combination of values of the users' columns.
 * A context is scored as a user of whom this is known would be (learn/segments.h), so popularity in
 * context is one formula wherever it shows. Events beside purchases count as far as
 * context->signals says; the index asks without it, so its contexts count purchases alone.
 *
 * Columns with segments join the combination in the order of what they tell of a purchase, the mean
 * information (Kullback-Leibler) that a segment's shares have over everybody's:
 *
 *     told(column) = Σ_v Σ c_v / Σ c · Σ_i share(i | v) · ln(share(i | v) / share(i))
 *
 * A column with which there would be more than CONTEXTS_MAX contexts is left out, for all users. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "data/split.h"
#include "learn/learner.h"

#define CONTEXTS_MAX        4096u
#define CONTEXT_VALUES_MAX  16u /* of one context in one column */
#define CONTEXT_COLUMNS_MAX 16u

typedef struct Contexts {
    uint32_t n;        /* 0: nobody needs one, or nothing that is known tells anything */
    uint32_t *of_user; /* n_users: 0 … n-1; IDS_NONE: predictable, or nothing is known */
    uint32_t *user;    /* n: the first user who is in it */
    Fitted *fitted;    /* NULL where n is 0; contexts stand in it where users stood */
    const Column *column[CONTEXT_COLUMNS_MAX]; /* of the view, which tells most first */
    size_t n_columns;
    void *segments; /* private */
} Contexts;

/* Of the users out of scope. Learns nothing where n will be 0. For contexts_free(); NULL with
 * ERR_NO_MEMORY, ERR_CANCELLED. Of `context`: as_of, threads, cancel,
 * signals. */
Contexts *contexts_find(const Dataset *view, const Scope *scope, const FitContext *context,
                        GError **error);
void contexts_free(Contexts *contexts);

/* Numbers of the values that users of the context have in column[column] and that count, at most
 * CONTEXT_VALUES_MAX into `values`. Returns how many. */
uint32_t contexts_values(const Contexts *contexts, uint32_t context, size_t column,
                         uint32_t *values);

/* Bytes that finding needs at most beyond the data set. */
uint64_t contexts_bytes(const FitSize *size);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Contexts, contexts_free)
