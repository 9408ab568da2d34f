/* The doctor's checks, in the order of their findings. */
#pragma once

#include "doctor_examination.h"

/* One row at a time: keys, guests, quantities, times, text. Learns the exact number of rows. */
bool check_rows(Examination *examination, int model, GError **error);

/* Several rows: duplicates, orphans, lapsed users. */
bool check_sets(Examination *examination, GError **error);

/* What of that matters of an event type beside the target: duplicate keys and orphans. */
bool check_signal_sets(Examination *examination, GError **error);

/* The table as a whole: order level, too little, nothing that joins. */
bool check_shape(Examination *examination, GError **error);

/* Columns: constant, or derived from what is to be predicted. */
bool check_columns(Examination *examination, int model, GError **error);
