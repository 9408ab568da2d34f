#include "doctor_examination.h"

#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "doctor_excluded.h"
#include "source_roles.h"
#include "source_session.h"

#define SAMPLES         5
#define SAMPLE_CHARS    200
#define PERCENTILE_ROWS 1000000
#define ABSURD_MULTIPLE 100

static const char *const levels[] = {"error", "warning", "info"};
static const char aliases[] = {[MODEL_USERS] = 'u', [MODEL_EVENTS] = 'e', [MODEL_PRODUCTS] = 'p'};

void examination_set_word(Examination *examination, const char *word, char *takes_text)
{
    if (takes_text != NULL)
        g_hash_table_replace(examination->words, g_strdup(word), takes_text);
}

static const RelationColumn *column_of(const Examination *examination, int type, const char *name)
{
    return name == NULL ? NULL : relation_column(examination->models[type].relation, name);
}

static char *qualified(const Examination *examination, int type, const RelationColumn *column)
{
    return column == NULL
               ? NULL
               : g_strdup_printf("%c.%s", examination->models[type].alias, column->quoted);
}

/* "{word}" the column, "{no_<word>}" that it is null or an empty text. */
static void set_column(Examination *examination, int type, const char *word, const char *no_word,
                       const char *name)
{
    const RelationColumn *column = column_of(examination, type, name);
    if (column == NULL)
        return;
    g_autofree char *sql = qualified(examination, type, column);
    if (no_word != NULL)
        examination_set_word(examination, no_word,
                             relation_is_text(column)
                                 ? g_strdup_printf("(%s IS NULL OR %s = '')", sql, sql)
                                 : g_strdup_printf("%s IS NULL", sql));
    examination_set_word(examination, word, g_steal_pointer(&sql));
}

char *examination_text(const Examination *examination, int model, const RelationColumn *column)
{
    g_autofree char *sql = qualified(examination, model, column);
    if (column->category == 'N' && g_str_has_prefix(column->type, "numeric"))
        return g_strdup_printf("trim_scale(%s)::text", sql);
    if (g_str_has_prefix(column->type, "timestamp"))
        return g_strdup_printf("regexp_replace(to_char(%s, 'YYYY-MM-DD\"T\"HH24:MI:SS.US'), "
                               "'\\.?0+$', '') || 'Z'",
                               sql);
    return g_strdup_printf("%s::text", sql);
}

static void set_join(Examination *examination, int type, const char *events_word,
                     const char *events_name, const char *word)
{
    const RelationColumn *of_event = column_of(examination, MODEL_EVENTS, events_name);
    const RelationColumn *key =
        column_of(examination, type, examination->models[type].model->primary_key);
    if (of_event == NULL || key == NULL)
        return;
    bool as_text = of_event->oid != key->oid;
    examination_set_word(examination, events_word,
                         as_text ? examination_text(examination, MODEL_EVENTS, of_event)
                                 : qualified(examination, MODEL_EVENTS, of_event));
    examination_set_word(examination, word,
                         as_text ? examination_text(examination, type, key)
                                 : qualified(examination, type, key));
}

static char *moment(int64_t us)
{
    char text[CLOCK_TEXT_MAX];
    return g_strdup_printf("'%s'::timestamptz", clock_format(us, text));
}

static void set_period(Examination *examination)
{
    const TrainingPeriod *period = &examination->prediction->period;
    const char *time = g_hash_table_lookup(examination->words, "e.time");
    if (time == NULL)
        return;
    g_autoptr(GString) sql = g_string_new(NULL);
    g_autofree char *from = moment(period->from), *to = moment(period->to);
    g_string_append_printf(sql, "%s <= %s", time,
                           (char *)g_hash_table_lookup(examination->words, "future"));
    if (period->from != INT64_MIN)
        g_string_append_printf(sql, " AND %s >= %s", time, from);
    if (period->to != INT64_MIN)
        g_string_append_printf(sql, " AND %s < %s", time, to);
    for (size_t i = 0; i < period->n_excluded; i++) {
        g_autofree char *excluded = excluded_condition(examination, &period->excluded[i]);
        g_string_append_printf(sql, " AND NOT (%s)", excluded);
    }
    examination_set_word(examination, "period", g_strdup(sql->str));
}

static void set_words(Examination *examination)
{
    const Model *events = examination->models[MODEL_EVENTS].model;
    static const char *const relations[] = {"users", "events", "products"};
    for (int type = MODEL_USERS; type <= MODEL_PRODUCTS; type++) {
        const ExaminedModel *examined = &examination->models[type];
        examination_set_word(
            examination, relations[type],
            g_strdup_printf("%s AS %c", examined->relation->from, examined->alias));
    }
    set_column(examination, MODEL_EVENTS, "e.pk", "no_e.pk", events->primary_key);
    set_column(examination, MODEL_EVENTS, "e.user", "no_user", events->user_key);
    set_column(examination, MODEL_EVENTS, "e.product", "no_product", events->product_key);
    set_column(examination, MODEL_EVENTS, "e.time", NULL, events->time);
    set_column(examination, MODEL_EVENTS, "e.quantity", NULL, events->quantity);
    set_column(examination, MODEL_EVENTS, "e.order", NULL, events->order_key);
    set_column(examination, MODEL_EVENTS, "e.price", NULL, events->price);
    set_column(examination, MODEL_USERS, "u.pk", "no_u.pk",
               examination->models[MODEL_USERS].model->primary_key);
    set_column(examination, MODEL_PRODUCTS, "p.pk", "no_p.pk",
               examination->models[MODEL_PRODUCTS].model->primary_key);
    set_join(examination, MODEL_USERS, "e.user_key", events->user_key, "u.key");
    set_join(examination, MODEL_PRODUCTS, "e.product_key", events->product_key, "p.key");
    const char *order = g_hash_table_lookup(examination->words, "e.order");
    examination_set_word(examination, "same_order",
                         order == NULL ? g_strdup("") : g_strconcat(", ", order, NULL));
    int64_t now = clock_now_us();
    examination_set_word(examination, "now", moment(now));
    examination_set_word(examination, "future", moment(now + US_PER_DAY));
    set_period(examination);
}

/* The checks' SQL names every mapped column. */
static bool check_columns_now(const ExaminedModel *examined, GError **error)
{
    g_autoptr(GArray) roles = model_roles(examined->model);
    for (guint i = 0; i < roles->len; i++)
        if (role_column(examined->relation, examined->model, &g_array_index(roles, ModelRole, i),
                        error) == NULL)
            return false;
    return true;
}

bool examination_init(Examination *examination, const Model *users, const Model *events,
                      const Model *products, const Prediction *prediction, GError **error)
{
    const Model *const models[] = {
        [MODEL_USERS] = users, [MODEL_EVENTS] = events, [MODEL_PRODUCTS] = products};
    examination->prediction = prediction;
    examination->words = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    const char *encoding = PQparameterStatus(examination->connection, "server_encoding");
    examination->is_ascii = g_strcmp0(encoding, "SQL_ASCII") == 0;
    for (int type = MODEL_USERS; type <= MODEL_PRODUCTS; type++) {
        ExaminedModel *examined = &examination->models[type];
        examined->model = models[type];
        examined->alias = aliases[type];
        examined->relation = relation_find(examination->connection, models[type], error);
        if (examined->relation == NULL || !check_columns_now(examined, error))
            return false;
    }
    set_words(examination);
    /* Bytes that are not UTF-8 are to be reported, not to end the session. */
    return !examination->is_ascii ||
           PQsetClientEncoding(examination->connection, "SQL_ASCII") == 0 ||
           db_error(examination->connection, NULL, "client encoding", error);
}

void examination_clear(Examination *examination)
{
    for (int type = MODEL_USERS; type <= MODEL_PRODUCTS; type++)
        g_clear_pointer(&examination->models[type].relation, relation_free);
    g_clear_pointer(&examination->words, g_hash_table_unref);
}

/* Of a sample where the table is large: a percentile sorts. */
static char *quantity_query(const Examination *examination)
{
    const Relation *relation = examination->models[MODEL_EVENTS].relation;
    uint64_t rows = examination->models[MODEL_EVENTS].rows;
    g_autofree char *sample = NULL;
    if (rows > PERCENTILE_ROWS && (relation->kind == 'r' || relation->kind == 'm'))
        sample =
            g_strdup_printf(" TABLESAMPLE SYSTEM (%.6f)", 100.0 * PERCENTILE_ROWS / (double)rows);
    g_autofree char *template = g_strconcat(
        "SELECT percentile_disc(0.99) WITHIN GROUP (ORDER BY abs({e.quantity})) AS usual "
        "FROM {events}",
        sample, " WHERE {e.quantity} <> 0", NULL);
    return examination_expand(examination, template);
}

static bool measure_quantity(Examination *examination, GError **error)
{
    g_autofree char *sql = quantity_query(examination);
    if (sql == NULL)
        return true;
    g_autoptr(PGresult) found = NULL;
    if (!examination_query(examination, MODEL_EVENTS, "absurd_quantity", sql, &found, error))
        return false;
    double usual = found == NULL ? 0 : db_number(found, 0, "usual");
    if (usual > 0)
        examination_set_word(examination, "absurd",
                             g_strdup_printf("%.0f", ABSURD_MULTIPLE * MAX(usual, 1)));
    return true;
}

bool examination_measure(Examination *examination, GError **error)
{
    static const char last[] =
        "SELECT count(*) AS rows,"
        "  extract(epoch FROM max({e.time}) FILTER (WHERE {e.time} <= {future}))::float8 AS last "
        "FROM {events}";
    g_autofree char *sql = examination_expand(examination, last);
    if (sql == NULL)
        return true;
    g_autoptr(PGresult) found = NULL;
    if (!examination_query(examination, MODEL_EVENTS, "last_behaviour", sql, &found, error))
        return false;
    if (found == NULL)
        return true;
    examination->models[MODEL_EVENTS].rows = (uint64_t)db_int(found, 0, "rows");
    double seconds = db_number(found, 0, "last");
    if (seconds > -1e11 && seconds < 1e12) {
        int64_t anchor = (int64_t)seconds * US_PER_SECOND;
        int64_t days = examination->prediction->horizon_days;
        examination_set_word(examination, "horizon", moment(anchor - days * US_PER_DAY));
        examination_set_word(examination, "year", moment(anchor - 365 * US_PER_DAY));
    }
    return measure_quantity(examination, error);
}

char *examination_expand(const Examination *examination, const char *template)
{
    g_autoptr(GString) sql = g_string_new(NULL);
    for (const char *at = template; *at != '\0';) {
        size_t plain = strcspn(at, "{");
        g_string_append_len(sql, at, (gssize)plain);
        at += plain;
        const char *end = *at == '{' ? strchr(at, '}') : NULL;
        if (end == NULL) {
            g_string_append(sql, at);
            break;
        }
        g_autofree char *word = g_strndup(at + 1, (gsize)(end - at - 1));
        const char *text = g_hash_table_lookup(examination->words, word);
        if (text == NULL)
            return NULL;
        g_string_append(sql, text);
        at = end + 1;
    }
    return g_string_free(g_steal_pointer(&sql), FALSE);
}

static void report_unexamined(Examination *examination, int model, const char *code,
                              const GError *reason)
{
    g_autofree char *message =
        g_strdup_printf("%s could not be looked at: %s", code, reason->message);
    /* Rows that cannot be counted, for any reason but their number, cannot be read either. */
    bool is_unreadable = strcmp(code, "rows") == 0 && error_code(reason) == ERR_INVALID;
    Finding finding = {.code = "not_examined",
                       .level = is_unreadable ? FINDING_ERROR : FINDING_INFO,
                       .model = model,
                       .message = message,
                       .sql = ""};
    examination_report(examination, &finding, NULL);
}

bool examination_query(Examination *examination, int model, const char *code, const char *sql,
                       PGresult **result, GError **error)
{
    PGconn *connection = examination->connection;
    g_autoptr(PGresult) begun = db_query(connection, "SAVEPOINT finding", 0, NULL, error);
    if (begun == NULL)
        return false;
    g_autoptr(GError) failure = NULL;
    g_autofree char *what = g_strdup_printf("model \"%s\"", examination->models[model].model->id);
    *result = session_query(connection, sql, what, examination->cancel, &failure);
    if (*result != NULL)
        return true;
    ErrorCode reason = error_code(failure);
    if (reason != ERR_TIMEOUT && reason != ERR_INVALID) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return false;
    }
    g_autoptr(PGresult) back =
        db_query(connection, "ROLLBACK TO SAVEPOINT finding", 0, NULL, error);
    if (back == NULL)
        return false;
    report_unexamined(examination, model, code, failure);
    return true;
}

static void write_samples(const PGresult *samples, JsonWriter *writer)
{
    json_begin_array(writer);
    for (int i = 0; samples != NULL && i < MIN(PQntuples(samples), SAMPLES); i++) {
        const char *text = db_text(samples, i, "sample");
        g_autofree char *valid = text == NULL ? NULL : g_utf8_make_valid(text, -1);
        if (valid != NULL && g_utf8_strlen(valid, -1) > SAMPLE_CHARS)
            *g_utf8_offset_to_pointer(valid, SAMPLE_CHARS) = '\0';
        json_string(writer, valid);
    }
    json_end_array(writer);
}

/* The checks speak of order lines; for g_free(). */
static char *message_of(const Examination *examination, const Finding *finding)
{
    if (!examination->is_signal || finding->model != MODEL_EVENTS)
        return g_strdup(finding->message);
    GString *message = g_string_new(finding->message);
    g_string_replace(message, "order lines", "events", 0);
    return g_string_free(message, FALSE);
}

void examination_report(Examination *examination, const Finding *finding, const PGresult *samples)
{
    JsonWriter *writer = examination->writer;
    examination->errors += finding->level == FINDING_ERROR;
    json_begin_object(writer);
    json_key(writer, "code");
    json_string(writer, finding->code);
    json_key(writer, "level");
    json_string(writer, levels[finding->level]);
    json_key(writer, "model");
    json_string(writer, examination->models[finding->model].model->id);
    json_key(writer, "count");
    json_uint(writer, finding->count);
    json_key(writer, "share");
    json_number(writer, finding->of == 0 ? 0 : (double)finding->count / (double)finding->of);
    json_key(writer, "message");
    g_autofree char *message = message_of(examination, finding);
    json_string(writer, message);
    json_key(writer, "sample");
    write_samples(samples, writer);
    json_key(writer, "sql");
    json_string(writer, finding->sql);
    json_end_object(writer);
}
