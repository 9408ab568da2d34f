#include "base/cancel.h"

#include "base/error.h"

void cancel_init(Cancel *cancel)
{
    atomic_init(&cancel->raised, false);
}

void cancel_raise(Cancel *cancel)
{
    atomic_store_explicit(&cancel->raised, true, memory_order_release);
}

bool cancel_is_raised(const Cancel *cancel)
{
    return cancel && atomic_load_explicit(&cancel->raised, memory_order_acquire);
}

bool cancel_check(const Cancel *cancel, GError **error)
{
    if (!cancel_is_raised(cancel))
        return true;
    error_set(error, ERR_CANCELLED, "cancelled");
    return false;
}
