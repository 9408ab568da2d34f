/* The stored list of every predictable user: the learner's best predictable items that the
 * purchased-items rule allows. */
#pragma once

#include <stdint.h>

#include "history.h"
#include "index/builder.h"

typedef struct Lists {
    uint32_t n_rows; /* predictable users */
    uint32_t stride;
    uint32_t *user;     /* n_rows: whose */
    uint32_t *row;      /* n_users: where, or IDS_NONE */
    uint8_t *count;     /* n_rows */
    uint32_t *item;     /* n_rows × stride, best first */
    float *score;       /* the same, relative to the first; > 0 */
    float *probability; /* the same; 0 where it is not known */
} Lists;

/* ERR_NO_MEMORY, ERR_CANCELLED. For lists_free(). */
Lists *lists_new(const Fitted *fitted, const Scope *scope, const Histories *histories,
                 const BuildOptions *options, GError **error);
void lists_free(Lists *lists);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Lists, lists_free)
