#include "spec/model.h"

#include <string.h>

#include "body.h"
#include "tables.h"

#define COLUMN_MAX 63 /* PostgreSQL's */
#define FIELDS_MAX 200
#define TABLE_MAX  127
#define SQL_MAX    65536
#define SOURCE_MAX 40
#define NAME_RULE  "letters, digits, _ and -, beginning with a letter or _, at most 63 long"

static const char *const type_names[] = {"users", "events", "products", NULL};
static const char *const kind_names[] = {"categorical", "numeric", "text", "time", "id", NULL};

#define IN_FIELD(member) .offset = offsetof(ModelField, member)
#define IN_MODEL(member) .offset = offsetof(Model, member)

// clang-format off
static const Field field_members[] = {
    {.name = "name",      .type = FIELD_STRING, IN_FIELD(name),      .min = 1, .max = COLUMN_MAX},
    {.name = "column",    .type = FIELD_STRING, IN_FIELD(column),    .min = 1, .max = COLUMN_MAX, .required = true},
    {.name = "kind",      .type = FIELD_ENUM,   IN_FIELD(kind),      .names = kind_names, .absent = KIND_CATEGORICAL},
    {.name = "separator", .type = FIELD_STRING, IN_FIELD(separator), .min = 1, .max = 1,
     .hint = "one character, as |"},
};

static const FieldTable field_table = {
    "ModelFieldInput", sizeof(ModelField), field_members, G_N_ELEMENTS(field_members)};

static const Field members[] = {
    {.name = "id",          .type = FIELD_SLUG,   IN_MODEL(id),          .max = MODEL_ID_MAX, .hint = ID_HINT},
    {.name = "name",        .type = FIELD_STRING, IN_MODEL(name),        .min = 1, .max = NAME_MAX_CHARACTERS, .required = true},
    {.name = "description", .type = FIELD_STRING, IN_MODEL(description), .max = DESCRIPTION_MAX_CHARACTERS},
    {.name = "type",        .type = FIELD_ENUM,   IN_MODEL(type),        .names = type_names, .required = true,
     .hint = "users, events or products"},
    {.name = "source",      .type = FIELD_STRING, IN_MODEL(source),      .min = 1, .max = SOURCE_MAX, .required = true,
     .hint = "GET /v1/sources names them"},
    {.name = "table",       .type = FIELD_STRING, IN_MODEL(table),       .min = 1, .max = TABLE_MAX},
    {.name = "sql",         .type = FIELD_STRING, IN_MODEL(sql),         .min = 1, .max = SQL_MAX, .absent = 1},
    {.name = "primary_key", .type = FIELD_STRING, IN_MODEL(primary_key), .min = 1, .max = COLUMN_MAX, .required = true,
     .hint = "the column whose values are unique"},
    {.name = "user_key",    .type = FIELD_STRING, IN_MODEL(user_key),    .min = 1, .max = COLUMN_MAX},
    {.name = "product_key", .type = FIELD_STRING, IN_MODEL(product_key), .min = 1, .max = COLUMN_MAX},
    {.name = "time",        .type = FIELD_STRING, IN_MODEL(time),        .min = 1, .max = COLUMN_MAX},
    {.name = "quantity",    .type = FIELD_STRING, IN_MODEL(quantity),    .min = 1, .max = COLUMN_MAX},
    {.name = "order_key",   .type = FIELD_STRING, IN_MODEL(order_key),   .min = 1, .max = COLUMN_MAX},
    {.name = "price",       .type = FIELD_STRING, IN_MODEL(price),       .min = 1, .max = COLUMN_MAX},
    {.name = "fields",      .type = FIELD_LIST,   IN_MODEL(fields),      .max = FIELDS_MAX, .table = &field_table},
};

const FieldTable model_table = {"ModelInput", sizeof(Model), members, G_N_ELEMENTS(members)};

/* Members that only events have, and what each is for. */
static const struct {
    const char *name;
    bool required;
    const char *hint;
} events_members[] = {
    {"user_key",    true,  "the column with the user's id"},
    {"product_key", true,  "the column with the product's id"},
    {"time",        true,  "the column with the time of the event"},
    {"quantity",    false, NULL},
    {"order_key",   false, NULL},
    {"price",       false, NULL},
};
// clang-format on

static bool is_field_name(const char *name)
{
    size_t length = strlen(name);
    if (length > COLUMN_MAX || (!g_ascii_isalpha(*name) && *name != '_'))
        return false;
    for (size_t i = 1; i < length; i++)
        if (!g_ascii_isalnum(name[i]) && !strchr("_-", name[i]))
            return false;
    return true;
}

static bool check_origin(const cJSON *body, Faults *faults)
{
    bool has_table = body_has(body, "table"), has_sql = body_has(body, "sql");
    if (has_table != has_sql)
        return true;
    if (has_table)
        faults_add(faults, "/sql", "conflict", "send null for the one that is not meant", NULL,
                   "only one of \"table\" and \"sql\" may be given");
    else
        faults_add(faults, "/table", "required", "a table or view, or one SELECT as \"sql\"", NULL,
                   "one of \"table\" and \"sql\" is required");
    return false;
}

static bool check_type_members(const cJSON *body, bool is_events, Faults *faults)
{
    bool ok = true;
    for (size_t i = 0; i < G_N_ELEMENTS(events_members); i++) {
        const char *name = events_members[i].name;
        g_autofree char *pointer = g_strconcat("/", name, NULL);
        bool given = body_has(body, name);
        if (is_events && events_members[i].required && !given) {
            faults_add(faults, pointer, "required", events_members[i].hint, NULL,
                       "events need \"%s\"", name);
            ok = false;
        } else if (!is_events && given) {
            faults_add(faults, pointer, "conflict", "leave it out", NULL,
                       "\"%s\" is for models of type events", name);
            ok = false;
        }
    }
    return ok;
}

static bool check_type(const cJSON *body, const Model *model, Faults *faults)
{
    const char *type = json_member_string(body, "type");
    if (!type || !g_strv_contains(type_names, type))
        return true; /* a fault already, and nothing follows from it */
    bool is_events = model->type == MODEL_EVENTS;
    bool ok = check_type_members(body, is_events, faults);
    if (is_events && cJSON_GetArraySize(json_member(body, "fields")) > 0) {
        faults_add(faults, "/fields", "conflict", "map them in the users or products model", NULL,
                   "\"fields\" are for models of type users and products");
        return false;
    }
    return ok;
}

/* The name of one field, which its column gives when it has none. */
static bool complete_name(ModelField *field, const char *pointer, Faults *faults)
{
    if (field->name && is_field_name(field->name))
        return true;
    if (field->name) {
        faults_add(faults, pointer, "invalid", NULL, NULL, "\"name\" must be " NAME_RULE);
        return false;
    }
    if (!field->column)
        return false;
    if (is_field_name(field->column)) {
        field->name = g_strdup(field->column);
        return true;
    }
    faults_add(faults, pointer, "required", "send a \"name\" of " NAME_RULE, NULL,
               "the column \"%s\" needs a name that answers can use", field->column);
    return false;
}

static bool check_separator(const ModelField *field, const char *pointer, Faults *faults)
{
    if (!field->separator)
        return true;
    if ((unsigned char)*field->separator >= 0x80) {
        faults_add(faults, pointer, "invalid", "one character, as |", NULL,
                   "\"separator\" must be one ASCII character");
        return false;
    }
    if (field->kind == KIND_CATEGORICAL || field->kind == KIND_TEXT)
        return true;
    faults_add(faults, pointer, "conflict", "leave it out", NULL,
               "a field of kind %s has one value, and no \"separator\"",
               field_kind_name(field->kind));
    return false;
}

static bool check_fields(const Model *model, Faults *faults)
{
    bool ok = true;
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    for (size_t i = 0; i < model->n_fields; i++) {
        ModelField *field = &model->fields[i];
        g_autofree char *name = g_strdup_printf("/fields/%zu/name", i);
        g_autofree char *separator = g_strdup_printf("/fields/%zu/separator", i);
        ok &= check_separator(field, separator, faults);
        if (!complete_name(field, name, faults)) {
            ok = false;
        } else if (!g_hash_table_add(seen, field->name)) {
            faults_add(faults, name, "duplicate", "give each field its own \"name\"", NULL,
                       "another field is called \"%s\"", field->name);
            ok = false;
        }
    }
    return ok;
}

Model *model_read(const cJSON *body, Faults *faults)
{
    g_autoptr(Model) model = g_new0(Model, 1);
    bool ok = fields_read(&model_table, body, "", model, faults);
    if (!cJSON_IsObject(body))
        return NULL;
    ok &= body_complete_id(body, model->name, MODEL_ID_MAX, &model->id, faults);
    ok &= check_origin(body, faults);
    ok &= check_type(body, model, faults);
    ok &= check_fields(model, faults);
    return ok ? g_steal_pointer(&model) : NULL;
}

void model_write(const Model *model, JsonWriter *writer)
{
    fields_write(&model_table, model, writer);
}

void model_free(Model *model)
{
    if (!model)
        return;
    fields_clear(&model_table, model);
    g_free(model);
}

const char *model_type_name(int type)
{
    return type_names[type];
}

const char *field_kind_name(int kind)
{
    return kind_names[kind];
}
