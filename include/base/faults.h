/* All faults of one request body (or settings file), gathered so that one answer names them all. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <glib.h>

#define FAULTS_MAX 100 /* more are not kept */

typedef struct Fault {
    char *pointer;     /* RFC 6901 into the body, "/models/users"; or "?n" for a query parameter */
    char *code;        /* stable: required, unknown_field, wrong_type, out_of_range, unknown_value,
                          duplicate, too_long, conflict, unknown_reference, different_source, … */
    char *detail;      /* what is wrong, one sentence */
    char *hint;        /* what to send instead, or NULL */
    char **candidates; /* NULL-terminated near misses, or NULL */
} Fault;

typedef struct Faults {
    Fault *list;
    size_t n;
    size_t capacity;
} Faults;

Faults *faults_new(void);
void faults_free(Faults *faults);

/* For faults on the stack, which begin as {0}. */
void faults_clear(Faults *faults);

/* Copies everything; `hint` and `candidates` may be NULL. At most FAULTS_MAX are kept. */
void faults_add(Faults *faults, const char *pointer, const char *code, const char *hint,
                const char *const *candidates, const char *detail_format, ...) G_GNUC_PRINTF(6, 7);

bool faults_is_empty(const Faults *faults);

/* The names of `known` (NULL-terminated) nearest to `name`, nearest first: at most `limit`, within
 * a Damerau-Levenshtein distance of a third of the length (at least 2), ignoring case, or having
 * `name` as a prefix; a name with no character in common is never near. NULL-terminated, for
 * g_strfreev(); NULL when none is near. */
char **near_misses(const char *name, const char *const *known, size_t limit);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Faults, faults_free)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Faults, faults_clear)
