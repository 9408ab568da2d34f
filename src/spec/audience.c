#include "spec/audience.h"

#include <string.h>

#include "body.h"
#include "tables.h"

#define REFERENCE_MAX      200
#define COLUMN_MAX         63
#define VALUE_MAX          10240
#define SIZE_MAX_USERS     1e9
#define SHARE_LEAST        1e-9 /* anything above 0 */
#define PERCENTILE_DEFAULT 20

#define COLUMNS_HINT "GET /v1/predictions/{prediction}/columns lists them"
#define VALUES_HINT  "GET /v1/predictions/{prediction}/columns/{column}/values lists them"

#define IN(member)           .offset = offsetof(Audience, member)
#define IN_ATTRIBUTE(member) .offset = offsetof(AudienceAttribute, member)

// clang-format off
static const Field attribute_members[] = {
    {.name = "column", .type = FIELD_STRING, IN_ATTRIBUTE(column), .min = 1, .max = COLUMN_MAX, .required = true,
     .hint = COLUMNS_HINT},
    {.name = "value",  .type = FIELD_STRING, IN_ATTRIBUTE(value),  .min = 1, .max = VALUE_MAX, .required = true, .absent = 1,
     .hint = "a number as a string too: \"4.95\""},
    {.name = "new",    .type = FIELD_BOOL,   IN_ATTRIBUTE(is_new)},
};

static const FieldTable attribute_table = {"AudienceAttribute", sizeof(AudienceAttribute),
                                           attribute_members, G_N_ELEMENTS(attribute_members)};

static const Field members[] = {
    {.name = "id",          .type = FIELD_SLUG,   IN(id),          .max = AUDIENCE_ID_MAX, .hint = ID_HINT},
    {.name = "name",        .type = FIELD_STRING, IN(name),        .min = 1, .max = NAME_MAX_CHARACTERS, .required = true},
    {.name = "description", .type = FIELD_STRING, IN(description), .max = DESCRIPTION_MAX_CHARACTERS},
    {.name = "prediction",  .type = FIELD_STRING, IN(prediction),  .min = 1, .max = REFERENCE_MAX, .required = true,
     .hint = "the id of a prediction"},
    {.name = "product",     .type = FIELD_STRING, IN(product),     .min = 1, .max = VALUE_MAX, .absent = 1},
    {.name = "column",      .type = FIELD_STRING, IN(column),      .min = 1, .max = COLUMN_MAX,
     .hint = COLUMNS_HINT},
    {.name = "value",       .type = FIELD_STRING, IN(value),       .min = 1, .max = VALUE_MAX, .absent = 1,
     .hint = VALUES_HINT},
    {.name = "attributes",  .type = FIELD_LIST,   IN(attributes),  .min = 1, .max = AUDIENCE_ATTRIBUTES_MAX,
     .table = &attribute_table},
    {.name = "max_size",    .type = FIELD_INT,    IN(max_size),    .min = 1, .max = SIZE_MAX_USERS},
    {.name = "percentile",  .type = FIELD_NUMBER, IN(percentile),  .min = SHARE_LEAST, .max = 100,
     .hint = "above 0, at most 100: that share of the predictable users"},
    {.name = "min_probability", .type = FIELD_NUMBER, IN(min_probability), .min = SHARE_LEAST, .max = 1,
     .hint = "above 0, at most 1: 0.05 is a chance of one in twenty to buy within the horizon"},
};
// clang-format on

const FieldTable audience_table = {"AudienceInput", sizeof(Audience), members,
                                   G_N_ELEMENTS(members)};

/* The members of each kind. */
static const char *const kinds[][3] = {
    [AUDIENCE_PRODUCT] = {"product", NULL},
    [AUDIENCE_VALUE] = {"column", "value", NULL},
    [AUDIENCE_ATTRIBUTES] = {"attributes", NULL},
};

/* The first member of the kind that the body has; NULL: none. */
static const char *member_of_kind(const cJSON *body, size_t kind)
{
    for (size_t i = 0; kinds[kind][i]; i++)
        if (body_has(body, kinds[kind][i]))
            return kinds[kind][i];
    return NULL;
}

static const char *hint_of(const char *member)
{
    for (size_t i = 0; i < G_N_ELEMENTS(members); i++)
        if (strcmp(members[i].name, member) == 0)
            return members[i].hint;
    return NULL;
}

static bool fault_at(const char *member, const char *code, const char *hint, const char *detail,
                     Faults *faults)
{
    g_autofree char *pointer = g_strconcat("/", member, NULL);
    faults_add(faults, pointer, code, hint, NULL, "%s", detail);
    return false;
}

static bool check_whole_kind(const cJSON *body, size_t kind, Faults *faults)
{
    for (size_t i = 0; kinds[kind][i]; i++) {
        if (body_has(body, kinds[kind][i]))
            continue;
        g_autofree char *detail =
            g_strdup_printf("\"%s\" needs \"%s\"", member_of_kind(body, kind), kinds[kind][i]);
        return fault_at(kinds[kind][i], "required", hint_of(kinds[kind][i]), detail, faults);
    }
    return true;
}

static bool check_kind(const cJSON *body, Audience *audience, Faults *faults)
{
    const char *first = NULL;
    for (size_t kind = 0; kind < G_N_ELEMENTS(kinds); kind++) {
        const char *member = member_of_kind(body, kind);
        if (member && first) {
            g_autofree char *detail = g_strdup_printf("\"%s\" excludes \"%s\"", first, member);
            return fault_at(first, "conflict", "send null for the ones that are not meant", detail,
                            faults);
        }
        if (member) {
            first = member;
            audience->kind = (AudienceKind)kind;
        }
    }
    if (!first)
        return fault_at("product", "required", NULL,
                        "\"product\", \"column\" with \"value\", or \"attributes\" is required",
                        faults);
    return check_whole_kind(body, audience->kind, faults);
}

static bool check_attributes(const Audience *audience, Faults *faults)
{
    bool ok = true;
    for (size_t i = 1; i < audience->n_attributes; i++) {
        const AudienceAttribute *one = &audience->attributes[i];
        for (size_t k = 0; k < i; k++) {
            if (g_strcmp0(audience->attributes[k].column, one->column) != 0 ||
                g_strcmp0(audience->attributes[k].value, one->value) != 0 || !one->value)
                continue;
            g_autofree char *member = g_strdup_printf("attributes/%zu", i);
            ok = fault_at(member, "duplicate", "leave it out", "it is among those before it",
                          faults);
            break;
        }
    }
    return ok;
}

static bool check_limit(const cJSON *body, Audience *audience, Faults *faults)
{
    bool size = body_has(body, "max_size"), percentile = body_has(body, "percentile");
    if (size && percentile) {
        faults_add(faults, "/percentile", "conflict", "send null for the one that is not meant",
                   NULL, "only one of \"max_size\" and \"percentile\" may be given");
        return false;
    }
    if (body_has(body, "min_probability") && audience->kind == AUDIENCE_ATTRIBUTES)
        return fault_at("min_probability", "conflict", "use max_size or percentile",
                        "what a product is like gives an order of users, no probabilities", faults);
    if (!size && !percentile && !body_has(body, "min_probability"))
        audience->percentile = PERCENTILE_DEFAULT;
    return true;
}

Audience *audience_read(const cJSON *body, Faults *faults)
{
    g_autoptr(Audience) audience = g_new0(Audience, 1);
    bool ok = fields_read(&audience_table, body, "", audience, faults);
    if (!cJSON_IsObject(body))
        return NULL;
    ok &= body_complete_id(body, audience->name, AUDIENCE_ID_MAX, &audience->id, faults);
    ok &= check_kind(body, audience, faults);
    ok &= check_attributes(audience, faults);
    ok &= check_limit(body, audience, faults);
    return ok ? g_steal_pointer(&audience) : NULL;
}

void audience_write(const Audience *audience, JsonWriter *writer)
{
    fields_write(&audience_table, audience, writer);
}

char *audience_wish(const Audience *audience)
{
    Audience wish = *audience;
    wish.id = wish.name = wish.description = NULL;
    g_auto(Buffer) text;
    buffer_init(&text);
    JsonWriter writer;
    json_writer_init(&writer, &text);
    json_begin_object(&writer);
    audience_write(&wish, &writer);
    json_end_object(&writer);
    return g_strdup(buffer_text(&text));
}

void audience_free(Audience *audience)
{
    if (!audience)
        return;
    fields_clear(&audience_table, audience);
    g_free(audience);
}
