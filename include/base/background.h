/* Threads for work that nobody waits for: trainings, checks of files. */
#pragma once

#include <stdbool.h>

/* Puts the calling thread, and those it starts from now on, behind all others of the process
 * (SCHED_IDLE): one that serves and wakes gets the processor at once, where a low priority alone
 * would let the running one finish its slice of some milliseconds. What is left over is theirs: so
 * they may hold a lock that a request takes for moments only. There is no way back: for threads of
 * our own. A refusal of the system changes speed only. */
void background_enter(void);

/* Whether the calling thread is there. */
bool background_is_entered(void);
