/* Lists for one customer: from memory, on the HTTP thread, without allocating per item. */
#include "handlers.h"

#include <string.h>

#include "base/error.h"
#include "index/recommend.h"
#include "mapped.h"
#include "served.h"
#include "state.h"
#include "store/keys.h"

#define HISTORY_MAX    100
#define SCORE_DECIMALS 6
#define PLACE_MAX      (3 * JSON_NUMBER_MAX + 80) /* three numbers, five names, a source, brackets */

/* What a request asks for. */
typedef struct Ask {
    size_t n;
    Mapped mapped;
    uint32_t excluded[RECOMMEND_EXCLUDE_MAX];
    size_t n_excluded;
} Ask;

static void too_many(Faults *faults)
{
    faults_add(faults, "?exclude", "too_long", NULL, NULL, "at most %d products can be excluded",
               RECOMMEND_EXCLUDE_MAX);
}

/* Unknown products are no news: nobody recommends them. */
static bool exclude(Ask *ask, const Snapshot *snapshot, const char *id, size_t length,
                    Faults *faults)
{
    uint32_t item = ids_find(snapshot_items(snapshot), id, length);
    if (item == IDS_NONE)
        return true;
    if (ask->n_excluded == RECOMMEND_EXCLUDE_MAX) {
        too_many(faults);
        return false;
    }
    ask->excluded[ask->n_excluded++] = item;
    return true;
}

static void read_exclude_array(Ask *ask, const Snapshot *snapshot, const char *text, Faults *faults)
{
    g_autoptr(cJSON) array = json_parse(text, strlen(text), NULL);
    bool good = cJSON_IsArray(array);
    const cJSON *id = NULL;
    cJSON_ArrayForEach(id, array)
    {
        good = good && cJSON_IsString(id);
        if (good && !exclude(ask, snapshot, id->valuestring, strlen(id->valuestring), faults))
            return;
    }
    if (!good)
        faults_add(faults, "?exclude", "wrong_type", NULL, NULL,
                   "\"exclude\" that begins with [ must be a JSON array of strings");
}

static void read_exclude(Ask *ask, const Snapshot *snapshot, const char *text, Faults *faults)
{
    if (text[0] == '[') {
        read_exclude_array(ask, snapshot, text, faults);
        return;
    }
    for (const char *id = text;; id++) {
        size_t length = strcspn(id, ",");
        if (!exclude(ask, snapshot, id, length, faults))
            return;
        id += length;
        if (*id == '\0')
            return;
    }
}

static void read_ask(Ask *ask, const Snapshot *snapshot, const Request *request, Faults *faults)
{
    ask->n_excluded = 0;
    ask->n = (size_t)request_query_int(request, "n", 1, RECOMMEND_MAX, 0, faults);
    if (ask->n == 0)
        ask->n = snapshot_default_n(snapshot);
    const char *text = request_query(request, "exclude", NULL);
    if (text)
        read_exclude(ask, snapshot, text, faults);
    mapped_read(&ask->mapped, snapshot, request, faults);
}

#define PUT(at, text) mempcpy(at, text, sizeof text - 1)

static char *put_probability(char *at, float probability)
{
    return probability > 0 ? json_put_fixed(at, (double)probability, SCORE_DECIMALS)
                           : PUT(at, "null");
}

/* Borrowed from the snapshot. */
typedef struct ProductId {
    const char *bytes;
    size_t length;
} ProductId;

/* What every item has: at most PLACE_MAX bytes beside its id. */
static char *put_place(char *at, const Recommendation *one, const ProductId *id)
{
    at = PUT(at, "\"product\":");
    at = json_put_text(at, id->bytes, id->length);
    at = PUT(at, ",\"rank\":");
    at = json_put_uint(at, one->rank);
    at = PUT(at, ",\"score\":");
    at = json_put_fixed(at, (double)one->score, SCORE_DECIMALS);
    at = PUT(at, ",\"probability\":");
    at = put_probability(at, one->probability);
    at = PUT(at, ",\"source\":\"");
    at = stpcpy(at, item_source_name(one->source));
    return PUT(at, "\"");
}

static void write_item(const Recommendation *one, const ProductId *id, const Mapped *mapped,
                       JsonWriter *json)
{
    json_begin_object(json);
    char *at = json_begin_raw(json, JSON_TEXT_MAX(id->length) + PLACE_MAX);
    if (at)
        json_end_raw(json, put_place(at, one, id));
    mapped_write(mapped, one->item, json);
    json_end_object(json);
}

/* Without mapped columns, as usual, the array is one piece: room is asked for once. */
static void write_bare(const Recommendation *list, const ProductId *ids, size_t n, JsonWriter *json)
{
    size_t most = sizeof "[]";
    for (size_t i = 0; i < n; i++)
        most += JSON_TEXT_MAX(ids[i].length) + PLACE_MAX;
    char *at = json_begin_raw(json, most);
    if (!at)
        return;
    *at++ = '[';
    for (size_t i = 0; i < n; i++) {
        at = i > 0 ? PUT(at, ",{") : PUT(at, "{");
        at = put_place(at, &list[i], &ids[i]);
        *at++ = '}';
    }
    *at++ = ']';
    json_end_raw(json, at);
}

/* The ids lie all over the dictionary: those of a list are asked for at once. */
static void get_ids(const Ids *dictionary, const Recommendation *list, size_t n, ProductId *ids)
{
    uint32_t items[RECOMMEND_MAX];
    for (size_t i = 0; i < n; i++)
        items[i] = list[i].item;
    ids_prefetch(dictionary, items, n);
    for (size_t i = 0; i < n; i++)
        ids[i].bytes = ids_get(dictionary, items[i], &ids[i].length);
}

static void write_items(const Snapshot *snapshot, const Recommendation *list, size_t n,
                        const Mapped *mapped, JsonWriter *json)
{
    ProductId ids[RECOMMEND_MAX];
    get_ids(snapshot_items(snapshot), list, n, ids);
    JSON_KEY(json, "items");
    if (mapped->n == 0) {
        write_bare(list, ids, n, json);
        return;
    }
    json_begin_array(json);
    for (size_t i = 0; i < n; i++)
        write_item(&list[i], &ids[i], mapped, json);
    json_end_array(json);
}

static const char *scope_name(const Snapshot *snapshot, uint32_t user)
{
    if (user == IDS_NONE)
        return "unknown";
    switch (snapshot_user_scope(snapshot, user)) {
    case USER_PREDICTABLE:
        return "predictable";
    case USER_NO_RECENT_PURCHASE:
        return "no_recent_purchase";
    default:
        return "no_purchase";
    }
}

static const char *scope_reason(const Snapshot *snapshot, uint32_t user)
{
    if (user == IDS_NONE)
        return "the users model did not have this id when this version was trained";
    switch (snapshot_user_scope(snapshot, user)) {
    case USER_PREDICTABLE:
        return "bought something within the year before the latest purchase in the data";
    case USER_NO_RECENT_PURCHASE:
        return "bought nothing within the year before the latest purchase in the data";
    default:
        return "never bought anything in the data";
    }
}

/* Members that every answer about a user begins with. */
static void write_head(const Snapshot *snapshot, const char *user, size_t length, JsonWriter *json)
{
    JSON_KEY(json, "prediction");
    json_string(json, snapshot_prediction(snapshot));
    if (user) {
        JSON_KEY(json, "user");
        json_string_n(json, user, length);
    }
    JSON_KEY(json, "version");
    json_uint(json, snapshot_version(snapshot));
}

static JsonWriter *begin_answer(Response *response)
{
    response_cache(response, "private, no-store");
    JsonWriter *json = response_json(response);
    json_begin_object(json);
    return json;
}

static bool has_source(const Recommendation *list, size_t n, ItemSource source)
{
    for (size_t i = 0; i < n; i++)
        if (list[i].source == source)
            return true;
    return false;
}

/* A storefront's answers may be handed on to a browser: what the shop knows of a person is none of
 * the page's business. */
static bool may_see_context(const Request *request)
{
    return request_scopes(request) & (KEY_ADMIN | KEY_MARKETER);
}

/* By what of the user's columns the items were found that are popular in context. */
static void write_context(const Snapshot *snapshot, uint32_t user, JsonWriter *json)
{
    const Attributes *contexts = snapshot_contexts(snapshot);
    uint32_t context = snapshot_context(snapshot, user), n;
    JSON_KEY(json, "context");
    json_begin_object(json);
    for (size_t c = 0; c < contexts->n_columns; c++) {
        column_values(&contexts->columns[c], context, &n);
        if (n == 0)
            continue;
        json_key(json, contexts->columns[c].name);
        mapped_write_cell(&contexts->columns[c], context, json);
    }
    json_end_object(json);
}

#define FLAGS_MAX 96

/* Whether the user is known, in scope, and whether nothing in the list is the user's own. */
static void write_flags(const Snapshot *snapshot, uint32_t user, bool personal, JsonWriter *json)
{
    char *at = json_begin_raw(json, FLAGS_MAX);
    if (!at)
        return;
    at = PUT(at, "\"known\":");
    at = user == IDS_NONE ? PUT(at, "false") : PUT(at, "true");
    at = PUT(at, ",\"scope\":\"");
    at = stpcpy(at, scope_name(snapshot, user));
    at = PUT(at, "\",\"fallback\":");
    json_end_raw(json, personal ? PUT(at, "false") : PUT(at, "true"));
}

HANDLER(users_recommend)
{
    Api *api = context;
    g_autoptr(Snapshot) snapshot = served_inline(api, request, response);
    if (!snapshot)
        return;
    g_auto(Faults) faults = {0};
    size_t length = 0;
    const char *id = request_param(request, "user", &length);
    snapshot_prefetch_user(snapshot, id, length); /* it comes while the rest is read and written */
    Ask ask;
    read_ask(&ask, snapshot, request, &faults);
    if (response_faults(response, &faults))
        return;
    JsonWriter *json = begin_answer(response);
    write_head(snapshot, id, length, json);
    uint32_t user = ids_find(snapshot_users(snapshot), id, length);
    Recommendation list[RECOMMEND_MAX];
    size_t n = recommend_user(snapshot, user, ask.n, ask.excluded, ask.n_excluded, list);
    write_flags(snapshot, user, has_source(list, n, SOURCE_PERSONAL), json);
    if (has_source(list, n, SOURCE_POPULAR_SEGMENT) && may_see_context(request))
        write_context(snapshot, user, json);
    write_items(snapshot, list, n, &ask.mapped, json);
    json_end_object(json);
}

static void write_product(const Snapshot *snapshot, uint32_t item, JsonWriter *json)
{
    size_t length = 0;
    const char *id = ids_get(snapshot_items(snapshot), item, &length);
    JSON_KEY(json, "product");
    json_string_n(json, id, length);
}

static void write_history(const Snapshot *snapshot, uint32_t user, const Mapped *mapped,
                          JsonWriter *json)
{
    uint32_t n = 0;
    const uint32_t *items = user == IDS_NONE ? NULL : snapshot_history(snapshot, user, &n);
    JSON_KEY(json, "history");
    json_begin_array(json);
    for (uint32_t i = 0; i < MIN(n, HISTORY_MAX); i++) {
        json_begin_object(json);
        write_product(snapshot, items[i], json);
        mapped_write(mapped, items[i], json);
        json_end_object(json);
    }
    json_end_array(json);
    JSON_KEY(json, "history_total");
    json_uint(json, n);
}

HANDLER(users_get)
{
    g_autoptr(Snapshot) snapshot = served_inline(context, request, response);
    if (!snapshot)
        return;
    g_auto(Faults) faults = {0};
    Mapped mapped;
    mapped_read(&mapped, snapshot, request, &faults);
    if (response_faults(response, &faults))
        return;
    size_t length = 0;
    const char *id = request_param(request, "user", &length);
    uint32_t user = ids_find(snapshot_users(snapshot), id, length);
    JsonWriter *json = begin_answer(response);
    write_head(snapshot, id, length, json);
    JSON_KEY(json, "scope");
    json_string(json, scope_name(snapshot, user));
    JSON_KEY(json, "reason");
    json_string(json, scope_reason(snapshot, user));
    write_history(snapshot, user, &mapped, json);
    json_end_object(json);
}

/* Column and value come together. *column stays NULL when neither is asked for. */
static void read_value(const Snapshot *snapshot, const Request *request, const Column **column,
                       uint32_t *value, Faults *faults)
{
    const char *name = request_query(request, "column", NULL);
    const char *text = request_query(request, "value", NULL);
    if (name && text) {
        *column = mapped_find(snapshot, name, "?column", faults);
        if (*column)
            *value = mapped_find_value(snapshot, *column, text, "?value", faults);
    } else if (name || text)
        faults_add(faults, name ? "?value" : "?column", "required", NULL, NULL,
                   "\"column\" and \"value\" come together");
}

HANDLER(products_popular)
{
    Api *api = context;
    g_autoptr(Snapshot) snapshot = served_inline(api, request, response);
    if (!snapshot)
        return;
    g_auto(Faults) faults = {0};
    Ask ask;
    const Column *column = NULL;
    uint32_t value = 0;
    read_ask(&ask, snapshot, request, &faults);
    read_value(snapshot, request, &column, &value, &faults);
    if (response_faults(response, &faults))
        return;
    Recommendation list[RECOMMEND_MAX];
    size_t n = recommend_popular(snapshot, column, value, ask.n, list);
    JsonWriter *json = begin_answer(response);
    write_head(snapshot, NULL, 0, json);
    write_items(snapshot, list, n, &ask.mapped, json);
    json_end_object(json);
}
