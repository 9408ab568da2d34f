/* What a model reads, found in the catalogue: the text that stands behind FROM, and its columns. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#include "db.h"
#include "spec/model.h"

typedef struct RelationColumn {
    char *name;
    char *quoted;  /* as an identifier */
    char *type;    /* as format_type prints it */
    uint32_t oid;  /* of the type, a domain's base type */
    char category; /* pg_type.typcategory: N numeric, S string, D time, A array, … */
} RelationColumn;

typedef struct Relation {
    char *from;           /* "shop"."order_lines", or (SELECT …\n): give it an alias */
    char *label;          /* for messages: shop.order_lines, or: the SELECT */
    char *schema, *table; /* NULL for a SELECT */
    char kind;            /* pg_class.relkind, '\0' for a SELECT */
    bool readable;        /* the role may SELECT from the table */
    RelationColumn *columns;
    size_t n_columns;
} Relation;

/* For relation_free(). NULL without an error, and *problem (for g_free()) in words for people, when
 * there is no such table or the SELECT is refused; the transaction is then over. NULL with an
 * error: ERR_UNAVAILABLE, ERR_TIMEOUT, …  The tables stay locked (ACCESS SHARE) until the
 * transaction ends, so what was found stays true in it. */
Relation *relation_describe(PGconn *connection, const Model *model, char **problem, GError **error);

/* The same with ERR_INVALID for a problem: model "order_lines": shop.order_lines does not exist. */
Relation *relation_find(PGconn *connection, const Model *model, GError **error);
void relation_free(Relation *relation);

/* NULL when there is none of that name (case matters). */
const RelationColumn *relation_column(const Relation *relation, const char *name);

/* The same with ERR_INVALID and near misses in the message. */
const RelationColumn *relation_require(const Relation *relation, const Model *model,
                                       const char *name, GError **error);

/* Names near `name`, for g_strfreev(); NULL when none is. */
char **relation_column_candidates(const Relation *relation, const char *name);
char **relation_table_candidates(PGconn *connection, const char *table, GError **error);

bool relation_is_numeric(const RelationColumn *column);
bool relation_is_time(const RelationColumn *column); /* timestamp, timestamptz, date */
bool relation_is_text(const RelationColumn *column);
bool relation_is_key(const RelationColumn *column); /* a scalar whose text identifies something */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Relation, relation_free)
