/* The peak of this process's resident memory while something runs. Several may run at once: each
 * gets the peak of its own time. */
#pragma once

#include <stdint.h>

typedef struct Peak {
    uint64_t before; /* bytes resident when it began */
    uint64_t most;   /* bytes, so far */
    struct Peak *next;
} Peak;

/* Begins; `peak` stays where it is until peak_end(). */
void peak_begin(Peak *peak);
/* peak->most up to now. Where the system does not let the mark be set back (a /proc that cannot be
 * written), it is the highest of the whole process so far. */
void peak_look(Peak *peak);
/* Once more peak_look(), and nothing after it. */
void peak_end(Peak *peak);
