/* Time: monotonic for durations, UTC microseconds since 1970 for moments, RFC 3339 as text. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define US_PER_SECOND   INT64_C(1000000)
#define US_PER_DAY      (INT64_C(86400) * US_PER_SECOND)
/* What lies between 1970-01-01 and 2000-01-01, where PostgreSQL counts from. */
#define US_1970_TO_2000 (INT64_C(946684800) * US_PER_SECOND)
#define CLOCK_TEXT_MAX  32

/* Monotonic nanoseconds. */
int64_t clock_ticks_ns(void);

/* Now, microseconds since 1970, UTC. */
int64_t clock_now_us(void);

/* Writes e.g. "2011-11-10T08:26:00Z" (with ".123456" when not a whole second), NUL-terminated, into
 * `text` of CLOCK_TEXT_MAX bytes; returns `text`. Years outside 0001 to 9999 are clamped. */
char *clock_format(int64_t us, char *text);

/* Reads a date ("2011-11-10": its midnight UTC) or an RFC 3339 moment with offset. */
bool clock_parse(const char *text, int64_t *us);
