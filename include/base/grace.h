/* Readers that take no lock, and a writer that waits for those who may still see what it replaced
 * (Guniguntala, McKenney, Triplett, Walpole: The read-copy-update mechanism for supporting
 * real-time applications on shared-memory multiprocessor systems with Linux, IBM Systems Journal
 * 2008; the form with two counters is sleepable RCU).
 *
 * A reader enters, loads the shared pointer, takes what it needs and leaves, in microseconds; the
 * writer stores the new pointer, waits, and frees the old. */
#pragma once

#include <stdatomic.h>

typedef struct Grace {
    atomic_uint turn; /* new readers count themselves in readers[turn % 2] */
    atomic_ulong readers[2];
} Grace;

void grace_init(Grace *grace);

/* Never waits. Gives what grace_leave() takes. */
unsigned grace_enter(Grace *grace);
void grace_leave(Grace *grace, unsigned entered);

/* Until all have left that entered before. One writer at a time. */
void grace_wait(Grace *grace);
