#include "base/grace.h"

#include <time.h>

/* Readers leave in less, but for one that sleeps while others have the processor: it needs it. */
#define WAIT_NS 20000

void grace_init(Grace *grace)
{
    atomic_init(&grace->turn, 0);
    atomic_init(&grace->readers[0], 0);
    atomic_init(&grace->readers[1], 0);
}

unsigned grace_enter(Grace *grace)
{
    unsigned entered = atomic_load(&grace->turn) % 2;
    atomic_fetch_add(&grace->readers[entered], 1);
    return entered;
}

void grace_leave(Grace *grace, unsigned entered)
{
    atomic_fetch_sub_explicit(&grace->readers[entered], 1, memory_order_release);
}

void grace_wait(Grace *grace)
{
    /* A reader that read the turn and counts itself only now may be in either; so both run dry,
     * each while new ones count in the other. */
    for (unsigned pass = 0; pass < 2; pass++) {
        unsigned before = atomic_fetch_add(&grace->turn, 1) % 2;
        while (atomic_load(&grace->readers[before]) > 0)
            nanosleep(&(struct timespec){.tv_nsec = WAIT_NS}, NULL);
    }
}
