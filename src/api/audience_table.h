/* The table of an audience in the shop's database, as callers see it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "api/api.h"
#include "base/json.h"
#include "spec/audience.h"
#include "store/audience_tables.h"

/* The member "table": name, version, members and updated_at; null when none was ever whole. */
bool audience_table_write(Api *api, const Audience *audience, JsonWriter *json, GError **error);

/* A number that changes with every table; 0: there is none, or nobody can tell. */
uint32_t audience_table_stamp(Api *api, const Audience *audience);

/* Drops the table, if there is one, and then forgets the audience. ERR_CONFLICT while one is built.
 */
bool audience_table_forget(Api *api, const Audience *audience, int64_t revision, GError **error);

/* The name of a table that stands, for g_free(), or NULL. */
char *audience_table_name(Api *api, const char *audience);
