/* "Did you mean": near misses as a hint of a problem. */
#pragma once

/* A sentence naming the members of `known` (NULL-terminated, may be NULL) nearest to `name`; for
 * g_free(); NULL when none is near. */
char *near_hint(const char *name, char *const *known);

/* The same of near misses that were found already. */
char *near_sentence(char *const *candidates);
