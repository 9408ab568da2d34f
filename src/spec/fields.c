#include "spec/fields.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "spec/model.h"

#define CANDIDATES_MAX   3
#define SHOWN_CHARACTERS 60
#define STRINGS_ITEM_MAX 200
#define SHOP_TEXT_MAX    10240
#define LARGEST_INTEGER  9007199254740992.0 /* 2^53 */
#define TIME_HINT        "send 2011-11-10 or 2011-11-10T08:26:00Z"

/* Members of answers that a caller may send back by habit. */
static const char *const read_only[] = {"created_at",
                                        "updated_at",
                                        "revision",
                                        "status",
                                        "missing",
                                        "version",
                                        "size",
                                        "predictable",
                                        "short_because",
                                        "active_version",
                                        "table",
                                        "similar_products",
                                        "ignored_attributes",
                                        NULL};

/* One value on its way from JSON into its struct. */
typedef struct Place {
    const Field *field;
    const char *pointer; /* of the value */
    void *at;
    Faults *faults;
} Place;

static bool read_value(const Place *place, const cJSON *value);

static void *place_of(const Field *field, void *into)
{
    return (char *)into + field->offset;
}

static size_t *count_of(const Field *field, void *into)
{
    return (size_t *)(void *)((char *)into + field->offset + sizeof(void *));
}

static bool is_set(const cJSON *value)
{
    return value && !cJSON_IsNull(value);
}

/* RFC 6901 */
static char *pointer_to(const char *pointer, const char *name)
{
    GString *text = g_string_new(pointer);
    g_string_append_c(text, '/');
    for (; *name; name++) {
        if (*name == '~' || *name == '/')
            g_string_append(text, *name == '~' ? "~0" : "~1");
        else
            g_string_append_c(text, *name);
    }
    return g_string_free(text, false);
}

static char *pointer_to_index(const char *pointer, size_t index)
{
    return g_strdup_printf("%s/%zu", pointer, index);
}

/* What a caller sent, cut for a message. */
static char *shown(const char *text)
{
    if (g_utf8_strlen(text, -1) <= SHOWN_CHARACTERS)
        return g_strdup(text);
    g_autofree char *start = g_utf8_substring(text, 0, SHOWN_CHARACTERS);
    return g_strconcat(start, "…", NULL);
}

static bool refuse(const Place *place, const char *code, const char *rule)
{
    faults_add(place->faults, place->pointer, code, place->field->hint, NULL, "\"%s\" must be %s",
               place->field->name, rule);
    return false;
}

static bool refuse_range(const Place *place, const char *code, const char *what)
{
    g_autofree char *rule =
        g_strdup_printf("%s from %.16g to %.16g", what, place->field->min, place->field->max);
    return refuse(place, code, rule);
}

static bool is_forbidden(gunichar c, bool allows_lines)
{
    if (allows_lines && (c == '\n' || c == '\r' || c == '\t'))
        return false;
    return g_unichar_iscntrl(c);
}

static bool has_forbidden(const char *text, bool allows_lines)
{
    for (const char *at = text; *at; at = g_utf8_next_char(at))
        if (is_forbidden(g_utf8_get_char(at), allows_lines))
            return true;
    return false;
}

static bool read_string(const Place *place, const cJSON *value)
{
    const Field *field = place->field;
    if (!cJSON_IsString(value))
        return refuse(place, "wrong_type", "a string");
    double length = (double)g_utf8_strlen(value->valuestring, -1);
    if (length < field->min || length > field->max) {
        g_autofree char *rule =
            g_strdup_printf("%.0f to %.0f characters long", field->min, field->max);
        return refuse(place, length < field->min ? "too_short" : "too_long", rule);
    }
    if (has_forbidden(value->valuestring, field->absent != 0))
        return refuse(place, "invalid", "free of control characters");
    *(char **)place->at = g_strdup(value->valuestring);
    return true;
}

static bool is_slug(const char *text, double max)
{
    size_t length = strlen(text);
    if (!g_ascii_islower(*text) || (double)length > max)
        return false;
    for (size_t i = 1; i < length; i++)
        if (!g_ascii_islower(text[i]) && !g_ascii_isdigit(text[i]) && !strchr("_-", text[i]))
            return false;
    return true;
}

static bool read_slug(const Place *place, const cJSON *value)
{
    const Field *field = place->field;
    if (!cJSON_IsString(value))
        return refuse(place, "wrong_type", "a string");
    if (is_slug(value->valuestring, field->max)) {
        *(char **)place->at = g_strdup(value->valuestring);
        return true;
    }
    g_autofree char *slug = slug_from(value->valuestring, (size_t)field->max);
    const char *candidates[] = {slug, NULL};
    faults_add(place->faults, place->pointer, "invalid", field->hint, slug ? candidates : NULL,
               "\"%s\" must be a-z, 0-9, _ and -, beginning with a letter, at most %.0f long",
               field->name, field->max);
    return false;
}

static bool read_enum(const Place *place, const cJSON *value)
{
    const Field *field = place->field;
    g_autofree char *words = g_strjoinv(", ", (char **)field->names);
    g_autofree char *rule = g_strconcat("one of ", words, NULL);
    if (!cJSON_IsString(value))
        return refuse(place, "wrong_type", rule);
    for (int i = 0; field->names[i]; i++) {
        if (strcmp(field->names[i], value->valuestring) != 0)
            continue;
        *(int *)place->at = i;
        return true;
    }
    g_auto(GStrv) near = near_misses(value->valuestring, field->names, CANDIDATES_MAX);
    faults_add(place->faults, place->pointer, "unknown_value", field->hint,
               (const char *const *)near, "\"%s\" must be %s", field->name, rule);
    return false;
}

static bool is_in_range(const Field *field, double number)
{
    return number >= field->min && number <= field->max;
}

static bool read_int(const Place *place, const cJSON *value)
{
    double number = cJSON_IsNumber(value) ? value->valuedouble : NAN;
    if (!(number == floor(number)))
        return refuse_range(place, "wrong_type", "an integer");
    if (!is_in_range(place->field, number) || fabs(number) > LARGEST_INTEGER)
        return refuse_range(place, "out_of_range", "an integer");
    *(int64_t *)place->at = (int64_t)number;
    return true;
}

static bool read_number(const Place *place, const cJSON *value)
{
    if (!cJSON_IsNumber(value))
        return refuse_range(place, "wrong_type", "a number");
    if (!is_in_range(place->field, value->valuedouble))
        return refuse_range(place, "out_of_range", "a number");
    *(double *)place->at = value->valuedouble;
    return true;
}

static bool read_bool(const Place *place, const cJSON *value)
{
    if (!cJSON_IsBool(value))
        return refuse(place, "wrong_type", "true or false");
    *(bool *)place->at = cJSON_IsTrue(value);
    return true;
}

static bool read_time(const Place *place, const cJSON *value)
{
    if (cJSON_IsString(value) && clock_parse(value->valuestring, place->at))
        return true;
    const char *hint = place->field->hint ? place->field->hint : TIME_HINT;
    faults_add(place->faults, place->pointer, cJSON_IsString(value) ? "invalid" : "wrong_type",
               hint, NULL, "\"%s\" must be a date or an RFC 3339 moment", place->field->name);
    return false;
}

static bool check_count(const Place *place, const cJSON *value, size_t *n)
{
    if (!cJSON_IsArray(value))
        return refuse(place, "wrong_type", "an array");
    *n = (size_t)cJSON_GetArraySize(value);
    if (is_in_range(place->field, (double)*n))
        return true;
    g_autofree char *rule =
        g_strdup_printf("an array of %.0f to %.0f elements", place->field->min, place->field->max);
    return refuse(place, "out_of_range", rule);
}

static bool read_strings(const Place *place, const cJSON *value)
{
    bool is_of_shop = place->field->absent != 0;
    const Field item_field = {.name = "element",
                              .type = FIELD_STRING,
                              .min = 1,
                              .max = is_of_shop ? SHOP_TEXT_MAX : STRINGS_ITEM_MAX,
                              .absent = is_of_shop};
    size_t n, i = 0;
    if (!check_count(place, value, &n))
        return false;
    char **list = *(char ***)place->at = g_new0(char *, n + 1);
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    bool ok = true;
    const cJSON *item;
    cJSON_ArrayForEach(item, value)
    {
        g_autofree char *pointer = pointer_to_index(place->pointer, (size_t)(i++));
        Place item_place = {&item_field, pointer, list, place->faults};
        if (!read_string(&item_place, item)) {
            ok = false;
            continue;
        }
        if (!g_hash_table_add(seen, *list))
            ok = refuse(&item_place, "duplicate", "different from the elements before it");
        list++;
    }
    return ok;
}

static bool read_object(const Place *place, const cJSON *value)
{
    return fields_read(place->field->table, value, place->pointer, place->at, place->faults);
}

static bool read_list(const Place *place, const cJSON *value)
{
    const FieldTable *table = place->field->table;
    size_t n = 0, i = 0;
    if (!check_count(place, value, &n) || n == 0)
        return cJSON_IsArray(value) && n == 0 && place->field->min <= 0;
    char *items = g_malloc0_n(n, table->size);
    *(void **)place->at = items;
    *(size_t *)(void *)((char *)place->at + sizeof(void *)) = n;
    bool ok = true;
    const cJSON *item;
    cJSON_ArrayForEach(item, value)
    {
        g_autofree char *pointer = pointer_to_index(place->pointer, i);
        ok &= fields_read(table, item, pointer, items + i++ * table->size, place->faults);
    }
    return ok;
}

static bool read_value(const Place *place, const cJSON *value)
{
    static bool (*const readers[])(const Place *, const cJSON *) = {
        [FIELD_STRING] = read_string, [FIELD_SLUG] = read_slug,       [FIELD_ENUM] = read_enum,
        [FIELD_INT] = read_int,       [FIELD_NUMBER] = read_number,   [FIELD_BOOL] = read_bool,
        [FIELD_TIME] = read_time,     [FIELD_STRINGS] = read_strings, [FIELD_OBJECT] = read_object,
        [FIELD_LIST] = read_list,
    };
    return readers[place->field->type](place, value);
}

static void set_defaults(const FieldTable *table, void *into)
{
    for (size_t i = 0; i < table->n_fields; i++) {
        const Field *field = &table->fields[i];
        void *at = place_of(field, into);
        if (field->type == FIELD_ENUM)
            *(int *)at = (int)field->absent;
        else if (field->type == FIELD_INT)
            *(int64_t *)at = (int64_t)field->absent;
        else if (field->type == FIELD_NUMBER)
            *(double *)at = field->absent;
        else if (field->type == FIELD_BOOL)
            *(bool *)at = field->absent != 0;
        else if (field->type == FIELD_TIME)
            *(int64_t *)at = INT64_MIN;
        else if (field->type == FIELD_OBJECT)
            set_defaults(field->table, at);
    }
}

static const Field *find_field(const FieldTable *table, const char *name)
{
    for (size_t i = 0; i < table->n_fields; i++)
        if (strcmp(table->fields[i].name, name) == 0)
            return &table->fields[i];
    return NULL;
}

static void refuse_member(const FieldTable *table, const char *name, const char *pointer,
                          Faults *faults)
{
    if (faults->n == FAULTS_MAX)
        return; /* nobody would see the near misses, which cost the most */
    g_autofree const char **known = g_new0(const char *, table->n_fields + 1);
    for (size_t i = 0; i < table->n_fields; i++)
        known[i] = table->fields[i].name;
    bool is_read_only = g_strv_contains(read_only, name);
    g_auto(GStrv) near = is_read_only ? NULL : near_misses(name, known, CANDIDATES_MAX);
    g_autofree char *cut = shown(name);
    faults_add(faults, pointer, "unknown_field",
               is_read_only ? "it is read-only: leave it out" : NULL, (const char *const *)near,
               "there is no member \"%s\" here", cut);
}

static bool read_members(const FieldTable *table, const cJSON *object, const char *pointer,
                         void *into, Faults *faults)
{
    bool ok = true;
    const cJSON *member;
    cJSON_ArrayForEach(member, object)
    {
        g_autofree char *own = pointer_to(pointer, member->string);
        const Field *field = find_field(table, member->string);
        if (!field) {
            refuse_member(table, member->string, own, faults);
            ok = false;
        } else if (!cJSON_IsNull(member)) {
            Place place = {field, own, place_of(field, into), faults};
            ok &= read_value(&place, member);
        }
    }
    return ok;
}

static bool check_required(const FieldTable *table, const cJSON *object, const char *pointer,
                           Faults *faults)
{
    bool ok = true;
    for (size_t i = 0; i < table->n_fields; i++) {
        const Field *field = &table->fields[i];
        if (!field->required || is_set(json_member(object, field->name)))
            continue;
        g_autofree char *own = pointer_to(pointer, field->name);
        faults_add(faults, own, "required", field->hint, NULL, "\"%s\" is required", field->name);
        ok = false;
    }
    return ok;
}

bool fields_read(const FieldTable *table, const cJSON *object, const char *pointer, void *into,
                 Faults *faults)
{
    set_defaults(table, into);
    if (!cJSON_IsObject(object)) {
        faults_add(faults, pointer, "wrong_type", NULL, NULL, "%s must be a JSON object",
                   *pointer ? "it" : "the body");
        return false;
    }
    bool ok = read_members(table, object, pointer, into, faults);
    return check_required(table, object, pointer, faults) && ok;
}

static void clear_list(const Field *field, void *from)
{
    char *items = *(char **)place_of(field, from);
    for (size_t i = 0; i < *count_of(field, from); i++)
        fields_clear(field->table, items + i * field->table->size);
    g_free(items);
    *(void **)place_of(field, from) = NULL;
    *count_of(field, from) = 0;
}

void fields_clear(const FieldTable *table, void *from)
{
    for (size_t i = 0; i < table->n_fields; i++) {
        const Field *field = &table->fields[i];
        void *at = place_of(field, from);
        if (field->type == FIELD_STRING || field->type == FIELD_SLUG)
            g_clear_pointer((char **)at, g_free);
        else if (field->type == FIELD_STRINGS)
            g_clear_pointer((char ***)at, g_strfreev);
        else if (field->type == FIELD_OBJECT)
            fields_clear(field->table, at);
        else if (field->type == FIELD_LIST)
            clear_list(field, from);
    }
}
