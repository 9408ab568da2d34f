#include "doctor_checks.h"
#include "source_roles.h"

#define PASTED_ROWS "100"

typedef struct RowCheck {
    const char *code;
    FindingLevel level;
    int model;
    const char *bad;    /* the condition, a template */
    const char *sample; /* what of a bad row to show */
    const char *message;
} RowCheck;

static const RowCheck checks[] = {
    {"null_key", FINDING_ERROR, MODEL_USERS, "{no_u.pk}", "u::text",
     "users without a key: nobody can be recommended anything under it"},
    {"null_key", FINDING_ERROR, MODEL_PRODUCTS, "{no_p.pk}", "p::text",
     "products without a key: they cannot be recommended"},
    {"null_key", FINDING_ERROR, MODEL_EVENTS, "{no_e.pk}", "e::text",
     "order lines without a primary key"},
    {"guest_events", FINDING_WARNING, MODEL_EVENTS, "{no_user}", "{e.pk}::text",
     "order lines of guests: no user key, so they are left out of the training"},
    {"null_product", FINDING_WARNING, MODEL_EVENTS, "{no_product}", "{e.pk}::text",
     "order lines without a product key are left out of the training"},
    {"returns", FINDING_INFO, MODEL_EVENTS, "{e.quantity} < 0", "{e.pk}::text",
     "returns: they take back earlier purchases and never count as interest"},
    {"zero_quantity", FINDING_WARNING, MODEL_EVENTS, "{e.quantity} = 0", "{e.pk}::text",
     "order lines of quantity 0 are left out of the training"},
    {"null_quantity", FINDING_WARNING, MODEL_EVENTS,
     "({e.quantity} IS NULL OR {e.quantity}::float8 = 'NaN')", "{e.pk}::text",
     "order lines without a quantity are left out of the training"},
    {"absurd_quantity", FINDING_WARNING, MODEL_EVENTS, "abs({e.quantity}) > {absurd}",
     "{e.quantity}::text",
     "quantities above 100 times the 99th percentile: a slip of the keyboard, or wholesale"},
    {"null_time", FINDING_WARNING, MODEL_EVENTS, "({e.time} IS NULL OR NOT isfinite({e.time}))",
     "{e.pk}::text", "order lines without a time are left out of the training"},
    {"future_time", FINDING_WARNING, MODEL_EVENTS, "({e.time} > {future} AND isfinite({e.time}))",
     "{e.time}::text", "order lines dated after tomorrow are left out and do not move the horizon"},
    {"not_utf8", FINDING_WARNING, MODEL_USERS, "{u.damaged}", "{u.damaged_sample}",
     "text that was damaged on its way: replacement or control characters, or UTF-8 read as Latin"},
    {"not_utf8", FINDING_WARNING, MODEL_PRODUCTS, "{p.damaged}", "{p.damaged_sample}",
     "text that was damaged on its way: replacement or control characters, or UTF-8 read as Latin"},
    {"not_utf8", FINDING_WARNING, MODEL_EVENTS, "{e.damaged}", "{e.damaged_sample}",
     "keys that were damaged on their way: replacement or control characters, or UTF-8 read as "
     "Latin"},
};

/* U+FFFD, control characters but tab and line ends, and the two-character remains of UTF-8 that was
 * decoded as Latin-1 ("Ã©"). */
static const char damaged_utf8[] =
    "%s ~ '[\\uFFFD\\x01-\\x08\\x0B\\x0C\\x0E-\\x1F\\x7F]|[\\u00C2\\u00C3][\\u0080-\\u00BF]'";

/* A database without an encoding compares bytes: this is RFC 3629's grammar. */
static const char damaged_ascii[] =
    "%s !~ '^([\\x01-\\x7F]|[\\xC2-\\xDF][\\x80-\\xBF]|\\xE0[\\xA0-\\xBF][\\x80-\\xBF]"
    "|[\\xE1-\\xEC\\xEE\\xEF][\\x80-\\xBF][\\x80-\\xBF]|\\xED[\\x80-\\x9F][\\x80-\\xBF]"
    "|\\xF0[\\x90-\\xBF][\\x80-\\xBF][\\x80-\\xBF]|[\\xF1-\\xF3][\\x80-\\xBF][\\x80-\\xBF][\\x80-"
    "\\xBF]"
    "|\\xF4[\\x80-\\x8F][\\x80-\\xBF][\\x80-\\xBF])*$'";

static void add_damage(const Examination *examination, const ExaminedModel *examined,
                       const RelationColumn *column, GString *bad, GString *sample)
{
    g_autofree char *text = g_strdup_printf("%c.%s", examined->alias, column->quoted);
    const char *joint = bad->len > 0 ? " OR " : "(";
    g_string_append(bad, joint);
    size_t start = bad->len;
    g_string_append_printf(bad, examination->is_ascii ? damaged_ascii : damaged_utf8, text);
    g_string_append_printf(sample, "%s WHEN %s THEN %s::text", sample->len > 0 ? "" : "CASE",
                           bad->str + start, text);
}

static void set_damage_words(Examination *examination, int model)
{
    const ExaminedModel *examined = &examination->models[model];
    g_autoptr(GArray) roles = model_roles(examined->model);
    g_autoptr(GString) bad = g_string_new(NULL), sample = g_string_new(NULL);
    for (guint i = 0; i < roles->len; i++) {
        const ModelRole *role = &g_array_index(roles, ModelRole, i);
        const RelationColumn *column = relation_column(examined->relation, role->column);
        if (column != NULL && relation_is_text(column))
            add_damage(examination, examined, column, bad, sample);
    }
    if (bad->len == 0)
        return;
    g_autofree char *word = g_strdup_printf("%c.damaged", examined->alias);
    g_autofree char *sample_word = g_strdup_printf("%c.damaged_sample", examined->alias);
    examination_set_word(examination, word, g_strconcat(bad->str, ")", NULL));
    examination_set_word(examination, sample_word, g_strconcat(sample->str, " END", NULL));
}

static char *from_of(const Examination *examination, int model)
{
    const ExaminedModel *examined = &examination->models[model];
    return g_strdup_printf("%s AS %c", examined->relation->from, examined->alias);
}

/* All counts of a model in one pass over it. */
static char *count_query(const Examination *examination, int model, const char *from)
{
    g_autoptr(GString) sql = g_string_new("SELECT count(*) AS rows");
    for (size_t i = 0; i < G_N_ELEMENTS(checks); i++) {
        if (checks[i].model != model)
            continue;
        g_autofree char *bad = examination_expand(examination, checks[i].bad);
        if (bad != NULL)
            g_string_append_printf(sql, ", count(*) FILTER (WHERE %s) AS c%zu", bad, i);
    }
    g_string_append_printf(sql, " FROM %s", from);
    return g_string_free(g_steal_pointer(&sql), FALSE);
}

static bool report_rows(Examination *examination, const RowCheck *check, const char *from,
                        uint64_t count, GError **error)
{
    g_autofree char *bad = examination_expand(examination, check->bad);
    g_autofree char *sample = examination_expand(examination, check->sample);
    g_autofree char *sampling = g_strdup_printf("SELECT DISTINCT sample FROM (SELECT %s AS sample "
                                                "FROM %s WHERE %s LIMIT 100) AS s LIMIT 5",
                                                sample, from, bad);
    g_autoptr(PGresult) samples = NULL;
    if (!examination_query(examination, check->model, check->code, sampling, &samples, error))
        return false;
    g_autofree char *pasted =
        g_strdup_printf("SELECT * FROM %s WHERE %s LIMIT " PASTED_ROWS ";", from, bad);
    Finding finding = {
        check->code,    check->level, check->model, count, examination->models[check->model].rows,
        check->message, pasted};
    if (examination->is_ascii && g_str_equal(check->code, "not_utf8")) {
        finding.level = FINDING_ERROR;
        finding.message = "bytes that are not UTF-8 cannot be read: convert them, or give a SELECT "
                          "with convert_from(convert_to(column, 'SQL_ASCII'), 'LATIN1')";
    }
    examination_report(examination, &finding, samples);
    return true;
}

bool check_rows(Examination *examination, int model, GError **error)
{
    set_damage_words(examination, model);
    g_autofree char *from = from_of(examination, model);
    g_autofree char *sql = count_query(examination, model, from);
    g_autoptr(PGresult) counts = NULL;
    if (!examination_query(examination, model, "rows", sql, &counts, error))
        return false;
    if (counts == NULL)
        return true;
    examination->models[model].rows = (uint64_t)db_int(counts, 0, "rows");
    for (size_t i = 0; i < G_N_ELEMENTS(checks); i++) {
        g_autofree char *name = g_strdup_printf("c%zu", i);
        int column = PQfnumber(counts, name);
        uint64_t count = column < 0 ? 0 : (uint64_t)db_int(counts, 0, name);
        if (count > 0 && !report_rows(examination, &checks[i], from, count, error))
            return false;
    }
    return true;
}
