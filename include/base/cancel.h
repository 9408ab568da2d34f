/* A flag that long work looks at once per sweep or block. Thread-safe. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include <glib.h>

typedef struct Cancel {
    atomic_bool raised;
} Cancel;

void cancel_init(Cancel *cancel);
void cancel_raise(Cancel *cancel);

/* NULL is never raised. */
bool cancel_is_raised(const Cancel *cancel);

/* False with ERR_CANCELLED when raised. */
bool cancel_check(const Cancel *cancel, GError **error);
