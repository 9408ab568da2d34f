#include "spec/prediction.h"

#include <string.h>

#include "base/error.h"
#include "body.h"
#include "tables.h"

#define REFERENCE_MAX  200
#define REASON_MAX     500
#define EXCLUDED_MAX   100
#define ATTRIBUTES_MAX 200
#define COLUMN_MAX     63
#define VALUES_MAX     100
#define IDS_MAX        1000
#define SEED_MAX       9007199254740991.0 /* 2^53 - 1: what JSON carries exactly */

static const char *const type_names[] = {"product_recommendations", NULL};
static const char *const purchased_names[] = {"auto", "exclude", "allow", "exclude_within", NULL};

#define IN_SIGNAL(member)     .offset = offsetof(PredictionSignal, member)
#define IN_MODELS(member)     .offset = offsetof(PredictionModels, member)
#define IN_PRODUCTS(member)   .offset = offsetof(ExcludedProducts, member)
#define IN_EXCLUDED(member)   .offset = offsetof(ExcludedPeriod, member)
#define IN_PERIOD(member)     .offset = offsetof(TrainingPeriod, member)
#define IN_PREDICTION(member) .offset = offsetof(Prediction, member)

// clang-format off
static const Field signal_members[] = {
    {.name = "model",  .type = FIELD_STRING, IN_SIGNAL(model),  .min = 1, .max = REFERENCE_MAX, .required = true,
     .hint = "id of a model of type events"},
    {.name = "name",   .type = FIELD_SLUG,   IN_SIGNAL(name),   .max = PREDICTION_ID_MAX, .hint = ID_HINT},
    {.name = "weight", .type = FIELD_NUMBER, IN_SIGNAL(weight), .min = 0, .max = 10, .absent = -1,
     .hint = "of one event, a purchase being 1; leave it out and it is learned"},
    {.name = "half_life_days", .type = FIELD_NUMBER, IN_SIGNAL(half_life_days), .min = 0.1, .max = 3650,
     .hint = "leave it out and it is learned"},
};

static const FieldTable signal_table = {
    "PredictionSignal", sizeof(PredictionSignal), signal_members, G_N_ELEMENTS(signal_members)};

static const Field models_members[] = {
    {.name = "users",    .type = FIELD_STRING, IN_MODELS(users),    .min = 1, .max = REFERENCE_MAX},
    {.name = "events",   .type = FIELD_STRING, IN_MODELS(events),   .min = 1, .max = REFERENCE_MAX},
    {.name = "products", .type = FIELD_STRING, IN_MODELS(products), .min = 1, .max = REFERENCE_MAX},
    {.name = "signals",  .type = FIELD_LIST,   IN_MODELS(signals),  .min = 1, .max = PREDICTION_SIGNALS_MAX, .table = &signal_table,
     .hint = "1 to 9 event types beside the target; leave it out when there are none"},
};

static const FieldTable models_table = {
    "PredictionModels", sizeof(PredictionModels), models_members, G_N_ELEMENTS(models_members)};

static const Field products_members[] = {
    {.name = "column", .type = FIELD_STRING,  IN_PRODUCTS(column), .min = 1, .max = COLUMN_MAX},
    {.name = "values", .type = FIELD_STRINGS, IN_PRODUCTS(values), .min = 1, .max = VALUES_MAX, .absent = 1},
    {.name = "ids",    .type = FIELD_STRINGS, IN_PRODUCTS(ids),    .min = 1, .max = IDS_MAX, .absent = 1},
};

static const FieldTable products_table = {
    "ExcludedProducts", sizeof(ExcludedProducts), products_members, G_N_ELEMENTS(products_members)};

static const Field excluded_members[] = {
    {.name = "from",     .type = FIELD_TIME,   IN_EXCLUDED(from),   .required = true},
    {.name = "to",       .type = FIELD_TIME,   IN_EXCLUDED(to),     .required = true},
    {.name = "reason",   .type = FIELD_STRING, IN_EXCLUDED(reason), .max = REASON_MAX},
    {.name = "products", .type = FIELD_OBJECT, IN_EXCLUDED(products), .table = &products_table, .absent = 1},
};

static const FieldTable excluded_table = {
    "ExcludedPeriod", sizeof(ExcludedPeriod), excluded_members, G_N_ELEMENTS(excluded_members)};

static const Field period_members[] = {
    {.name = "from",     .type = FIELD_TIME, IN_PERIOD(from)},
    {.name = "to",       .type = FIELD_TIME, IN_PERIOD(to)},
    {.name = "excluded", .type = FIELD_LIST, IN_PERIOD(excluded), .max = EXCLUDED_MAX, .table = &excluded_table},
};

static const FieldTable period_table = {
    "TrainingPeriod", sizeof(TrainingPeriod), period_members, G_N_ELEMENTS(period_members)};

static const Field members[] = {
    {.name = "id",           .type = FIELD_SLUG,    IN_PREDICTION(id),           .max = PREDICTION_ID_MAX, .hint = ID_HINT},
    {.name = "name",         .type = FIELD_STRING,  IN_PREDICTION(name),         .min = 1, .max = NAME_MAX_CHARACTERS, .required = true},
    {.name = "description",  .type = FIELD_STRING,  IN_PREDICTION(description),  .max = DESCRIPTION_MAX_CHARACTERS},
    {.name = "type",         .type = FIELD_ENUM,    IN_PREDICTION(type),         .names = type_names},
    {.name = "models",       .type = FIELD_OBJECT,  IN_PREDICTION(models),       .table = &models_table},
    {.name = "attributes",   .type = FIELD_STRINGS, IN_PREDICTION(attributes),   .max = ATTRIBUTES_MAX,
     .hint = "names of mapped product columns; null for all"},
    {.name = "n",            .type = FIELD_INT,     IN_PREDICTION(n),            .min = 1, .max = 100, .absent = 10},
    {.name = "horizon_days", .type = FIELD_INT,     IN_PREDICTION(horizon_days), .min = 15, .max = 90, .absent = 30},
    {.name = "period",       .type = FIELD_OBJECT,  IN_PREDICTION(period),       .table = &period_table},
    {.name = "purchased_items", .type = FIELD_ENUM, IN_PREDICTION(purchased_items), .names = purchased_names, .absent = PURCHASED_ITEMS_AUTO},
    {.name = "exclude_within_days", .type = FIELD_INT, IN_PREDICTION(exclude_within_days), .min = 1, .max = 3650},
    {.name = "seed",         .type = FIELD_INT,     IN_PREDICTION(seed),         .max = SEED_MAX, .absent = 1},
};
// clang-format on

const FieldTable prediction_table = {"PredictionInput", sizeof(Prediction), members,
                                     G_N_ELEMENTS(members)};

/* INT64_MIN is an open end; of an excluded period it is one that was refused already. */
static bool check_order(int64_t from, int64_t to, const char *pointer, Faults *faults)
{
    if (from == INT64_MIN || to == INT64_MIN || from < to)
        return true;
    faults_add(faults, pointer, "out_of_range", "the end itself is not part of the period", NULL,
               "\"to\" must be later than \"from\"");
    return false;
}

/* Nothing that is sent as a filter may come to mean every line. */
static bool check_products(const cJSON *products, size_t period, Faults *faults)
{
    if (!cJSON_IsObject(products))
        return true;
    bool column = body_has(products, "column"), values = body_has(products, "values");
    if (column == values && (column || body_has(products, "ids")))
        return true;
    const char *member = "", *hint = "leave \"products\" out to exclude every line of the period";
    const char *detail = "\"products\" needs \"column\" with \"values\", or \"ids\"";
    if (column != values) {
        member = column ? "/values" : "/column";
        detail = column ? "\"column\" needs \"values\"" : "\"values\" needs \"column\"";
        hint = "GET /v1/predictions/{prediction}/columns lists them after a training";
    }
    g_autofree char *pointer = g_strdup_printf("/period/excluded/%zu/products%s", period, member);
    faults_add(faults, pointer, "required", hint, NULL, "%s", detail);
    return false;
}

static bool check_period(const cJSON *body, const TrainingPeriod *period, Faults *faults)
{
    bool ok = check_order(period->from, period->to, "/period/to", faults);
    const cJSON *list = json_member(json_member(body, "period"), "excluded");
    const cJSON *sent = list ? list->child : NULL;
    for (size_t i = 0; sent && i < period->n_excluded; i++, sent = sent->next) {
        const ExcludedPeriod *excluded = &period->excluded[i];
        g_autofree char *pointer = g_strdup_printf("/period/excluded/%zu/to", i);
        ok &= check_order(excluded->from, excluded->to, pointer, faults);
        ok &= check_products(json_member(sent, "products"), i, faults);
    }
    return ok;
}

static bool check_purchased(const cJSON *body, const Prediction *prediction, Faults *faults)
{
    const char *sent = json_member_string(body, "purchased_items");
    bool known = sent ? g_strv_contains(purchased_names, sent) : !body_has(body, "purchased_items");
    if (!known)
        return true; /* a fault already, and nothing follows from it */
    bool within = prediction->purchased_items == PURCHASED_ITEMS_EXCLUDE_WITHIN;
    bool days = body_has(body, "exclude_within_days");
    if (within && !days)
        faults_add(faults, "/exclude_within_days", "required", "1 to 3650 days", NULL,
                   "\"purchased_items\" of exclude_within needs \"exclude_within_days\"");
    else if (!within && days)
        faults_add(faults, "/exclude_within_days", "conflict",
                   "leave it out, or send null where it was set before", NULL,
                   "\"exclude_within_days\" is only for \"purchased_items\" of exclude_within");
    return within == days;
}

/* The name of a signal, and that neither it nor its model stands twice. */
static bool check_signal(PredictionModels *models, size_t at, Faults *faults)
{
    PredictionSignal *signal = &models->signals[at];
    if (!signal->model)
        return false;
    if (!signal->name)
        signal->name = g_strdup(signal->model);
    bool is_events = models->events && strcmp(signal->model, models->events) == 0;
    bool has_model = is_events, has_name = false;
    for (size_t s = 0; s < at; s++) {
        const PredictionSignal *other = &models->signals[s];
        has_model |= other->model && strcmp(other->model, signal->model) == 0;
        has_name |= other->name && strcmp(other->name, signal->name) == 0;
    }
    g_autofree char *model = g_strdup_printf("/models/signals/%zu/model", at);
    g_autofree char *name = g_strdup_printf("/models/signals/%zu/name", at);
    if (has_model)
        faults_add(faults, model, "duplicate", "each event type is a model of its own", NULL,
                   "model \"%s\" is %s already", signal->model,
                   is_events ? "the target" : "an event type");
    else if (has_name)
        faults_add(faults, name, "duplicate", "give each event type its own \"name\"", NULL,
                   "another event type is called \"%s\"", signal->name);
    return !has_model && !has_name;
}

static bool check_signals(PredictionModels *models, Faults *faults)
{
    bool ok = true;
    for (size_t s = 0; s < models->n_signals; s++)
        ok &= check_signal(models, s, faults);
    return ok;
}

Prediction *prediction_read(const cJSON *body, Faults *faults)
{
    g_autoptr(Prediction) prediction = g_new0(Prediction, 1);
    bool ok = fields_read(&prediction_table, body, "", prediction, faults);
    if (!cJSON_IsObject(body))
        return NULL;
    ok &= body_complete_id(body, prediction->name, PREDICTION_ID_MAX, &prediction->id, faults);
    ok &= check_period(body, &prediction->period, faults);
    ok &= check_purchased(body, prediction, faults);
    ok &= check_signals(&prediction->models, faults);
    return ok ? g_steal_pointer(&prediction) : NULL;
}

void prediction_write(const Prediction *prediction, JsonWriter *writer)
{
    fields_write(&prediction_table, prediction, writer);
}

void prediction_free(Prediction *prediction)
{
    if (!prediction)
        return;
    fields_clear(&prediction_table, prediction);
    g_free(prediction);
}

bool prediction_is_complete(const Prediction *prediction, const char *missing[4])
{
    size_t n = 0;
    if (!prediction->models.users)
        missing[n++] = "/models/users";
    if (!prediction->models.events)
        missing[n++] = "/models/events";
    if (!prediction->models.products)
        missing[n++] = "/models/products";
    missing[n] = NULL;
    return n == 0;
}

bool prediction_check_complete(const Prediction *prediction, GError **error)
{
    const char *missing[4] = {NULL};
    if (prediction_is_complete(prediction, missing))
        return true;
    g_autofree char *list = g_strjoinv(", ", (char **)missing);
    error_set(error, ERR_NOT_READY, "prediction \"%s\" is a draft: %s still missing",
              prediction->id, list);
    return false;
}
