/* Excluded periods as the doctor sees them: a condition in SQL, and whether their products exist.
 */
#pragma once

#include "doctor_examination.h"

/* That an order line (alias e) is left out by the period, as SQL; for g_free(). */
char *excluded_condition(const Examination *examination, const ExcludedPeriod *excluded);

/* Columns that are not mapped (an error), values and ids that no product has (a warning). */
bool check_excluded(Examination *examination, GError **error);
