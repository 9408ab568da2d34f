/* The shop's databases, read where they are. Identifiers are looked up in the catalogue and quoted;
 * a caller's SELECT is wrapped as SELECT * FROM (<sql>\n) AS q in the extended protocol, in a
 * read-only transaction, as a role that can only read. Connections are made per call. Thread-safe.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "base/cancel.h"
#include "base/config.h"
#include "base/faults.h"
#include "base/json.h"
#include "spec/model.h"

/* {"reachable": …, "server_version": …, "role": …, "missing": [{"right": …, "object": …,
 * "grant": "GRANT …"}]} for the tables of `models` (maybe none) and the output schema: an open JSON
 * object's members. `password` and connection strings never appear. ERR_UNAVAILABLE only when the
 * answer itself cannot be made; an unreachable source is an answer. */
bool source_check(const SourceSettings *source, Model *const *models, size_t n_models,
                  JsonWriter *writer, GError **error);

/* An array of {"schema", "table", "kind", "rows_estimate", "columns": [{"name","type","nullable"}]}
 * of what the role may read, system schemas and our own output left out; by name after `after`
 * ("schema.table", NULL: start), at most limit; *more. */
bool source_tables(const SourceSettings *source, const char *after, size_t limit,
                   JsonWriter *writer, bool *more, char **last, GError **error);

/* Whether every table and column a model names exists and has a type its role can have: faults with
 * near misses ("did you mean"), pointers into the model's body. ERR_UNAVAILABLE. */
bool source_validate_model(const SourceSettings *source, const Model *model, Faults *faults,
                           GError **error);

/* Rows of a model as JSON: {"columns": [...], "rows": [[...]]}, at most limit ≤ 100. */
bool source_preview(const SourceSettings *source, const Model *model, size_t limit,
                    JsonWriter *writer, GError **error);

/* Members: "rows", "columns":
 * [{"name","type","distinct","nulls","min","max","top":[{"value","rows"}], "suggestion":
 * {"role","reason"}}]. Large tables are sampled (and "sampled": true). */
bool source_profile(const SourceSettings *source, const Model *model, JsonWriter *writer,
                    GError **error);

/* The SQL type of a column as format_type prints it; for g_free(). ERR_INVALID with near misses in
 * the message. */
char *source_column_type(const SourceSettings *source, const Model *model, const char *column,
                         GError **error);
