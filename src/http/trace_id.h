/* Request ids: 48 bits of time and 80 of chance as 26 characters of Crockford's base 32, so they
 * sort by time. A generator per thread, seeded by the kernel: about 40 ns. */
#pragma once

#define TRACE_ID_LENGTH 26

/* Fills `id` and ends it with NUL. Thread-safe. */
void trace_id_make(char id[TRACE_ID_LENGTH + 1]);
