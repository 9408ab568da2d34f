/* One examination of a shop's data: what all checks of the doctor share. The SQL of a check is a
 * template; a word in braces stands for what a model names:
 *
 *   {events} {users} {products}       behind FROM, with the aliases e, u, p
 *   {e.pk} {e.user} {e.product} {e.time} {e.quantity} {e.order} {e.price} {u.pk} {p.pk}   columns
 *   {no_user} {no_product} {no_e.pk} {no_u.pk} {no_p.pk}   null, or an empty text
 *   {e.user_key} {u.key} {e.product_key} {p.key}   comparable: the columns when their types are the
 *                                     same, else their canonical text
 *   {same_order}                      ", e.<order>" when mapped, else nothing
 *   {future} {now}                    now plus a day; now
 *   {horizon} {year}                  the last behaviour minus the horizon; minus a year
 *   {absurd}                          what no quantity should be above
 *   {period}                          the training period as a condition on e */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "base/cancel.h"
#include "base/json.h"
#include "db.h"
#include "source_relation.h"
#include "spec/model.h"
#include "spec/prediction.h"

typedef enum FindingLevel { FINDING_ERROR, FINDING_WARNING, FINDING_INFO } FindingLevel;

typedef struct ExaminedModel {
    const Model *model;
    Relation *relation;
    uint64_t rows; /* exact, once the row checks have run */
    char alias;
} ExaminedModel;

typedef struct Examination {
    PGconn *connection;
    const Cancel *cancel;
    const Prediction *prediction;
    ExaminedModel models[3]; /* by ModelType */
    GHashTable *words;       /* of the templates */
    JsonWriter *writer;
    unsigned errors;
    bool is_signal; /* the events are no order lines but an event type beside them */
    bool is_ascii;  /* the database has no encoding: texts may be any bytes */
} Examination;

typedef struct Finding {
    const char *code;
    FindingLevel level;
    int model;          /* ModelType */
    uint64_t count, of; /* share = count / of */
    const char *message;
    const char *sql; /* what a person pastes */
} Finding;

/* Opens the models and fills the words that need no query. False with the errors of
 * relation_find() and role_column(). Clear it in either case. */
bool examination_init(Examination *examination, const Model *users, const Model *events,
                      const Model *products, const Prediction *prediction, GError **error);
void examination_clear(Examination *examination);

/* Asks for the last behaviour and the usual quantity, and sets the words that follow from them. */
bool examination_measure(Examination *examination, GError **error);

/* The template with its words; NULL when it has a word for what is not mapped. For g_free(). */
char *examination_expand(const Examination *examination, const char *template);

/* A column of a model as the text that the reader makes of it, near enough to compare; for
 * g_free(). */
char *examination_text(const Examination *examination, int model, const RelationColumn *column);

void examination_set_word(Examination *examination, const char *word, char *takes_text);

/* One query under a savepoint. When it takes too long or the data defies it, *result is NULL and a
 * finding says that `code` could not be looked at. False: ERR_CANCELLED, ERR_UNAVAILABLE, … */
bool examination_query(Examination *examination, int model, const char *code, const char *sql,
                       PGresult **result, GError **error);

/* Writes a finding; samples are the values of column "sample" of `samples` (or NULL). */
void examination_report(Examination *examination, const Finding *finding, const PGresult *samples);
