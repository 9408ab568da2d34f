/* What is popular in each context of users who have no list of their own (learn/contexts.h): the
 * predictable products that score best there, in as few lists as there are contexts. A user costs
 * no more than the number in lists.row that would otherwise stand empty. */
#pragma once

#include <stdint.h>

#include "data/sections.h"
#include "index/builder.h"
#include "learn/contexts.h"

typedef struct ContextLists {
    Contexts *contexts; /* their `fitted` is gone: the lists are all that serves */
    uint32_t n_users, stride;
    uint8_t *count; /* of each context */
    uint32_t *item; /* contexts × stride, best first */
    float *score;   /* the same; > 0 */
} ContextLists;

/* Of `options`: threads, cancel. For context_lists_free(). ERR_NO_MEMORY, ERR_CANCELLED. */
ContextLists *context_lists_new(const Dataset *view, const Scope *scope,
                                const BuildOptions *options, GError **error);
void context_lists_free(ContextLists *lists);

/* Gives each user with a context its row: after the n_rows of predictable users. */
void context_lists_place(const ContextLists *lists, uint32_t *row, uint32_t n_rows);

/* The sections "contexts.…"; none where there are no contexts. */
bool context_lists_save(const ContextLists *lists, SectionsWriter *writer, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ContextLists, context_lists_free)
