#include "spec/audience.h"

#include "body.h"
#include "tables.h"

#define REFERENCE_MAX      200
#define COLUMN_MAX         63
#define VALUE_MAX          10240
#define SIZE_MAX_USERS     1e9
#define PERCENTILE_LEAST   1e-9 /* anything above 0 */
#define PERCENTILE_DEFAULT 20

#define IN(member) .offset = offsetof(Audience, member)

// clang-format off
static const Field members[] = {
    {.name = "id",          .type = FIELD_SLUG,   IN(id),          .max = AUDIENCE_ID_MAX, .hint = ID_HINT},
    {.name = "name",        .type = FIELD_STRING, IN(name),        .min = 1, .max = NAME_MAX_CHARACTERS, .required = true},
    {.name = "description", .type = FIELD_STRING, IN(description), .max = DESCRIPTION_MAX_CHARACTERS},
    {.name = "prediction",  .type = FIELD_STRING, IN(prediction),  .min = 1, .max = REFERENCE_MAX, .required = true,
     .hint = "the id of a prediction"},
    {.name = "product",     .type = FIELD_STRING, IN(product),     .min = 1, .max = VALUE_MAX, .absent = 1},
    {.name = "column",      .type = FIELD_STRING, IN(column),      .min = 1, .max = COLUMN_MAX},
    {.name = "value",       .type = FIELD_STRING, IN(value),       .min = 1, .max = VALUE_MAX, .absent = 1},
    {.name = "max_size",    .type = FIELD_INT,    IN(max_size),    .min = 1, .max = SIZE_MAX_USERS},
    {.name = "percentile",  .type = FIELD_NUMBER, IN(percentile),  .min = PERCENTILE_LEAST, .max = 100,
     .hint = "above 0, at most 100: that share of the predictable users"},
};
// clang-format on

const FieldTable audience_table = {"AudienceInput", sizeof(Audience), members,
                                   G_N_ELEMENTS(members)};

static bool require(const char *pointer, const char *detail, const char *hint, Faults *faults)
{
    faults_add(faults, pointer, "required", hint, NULL, "%s", detail);
    return false;
}

static bool check_subject(const cJSON *body, Faults *faults)
{
    bool product = body_has(body, "product"), column = body_has(body, "column");
    bool value = body_has(body, "value");
    if (product && (column || value)) {
        faults_add(faults, "/product", "conflict", "send null for the ones that are not meant",
                   NULL, "\"product\" excludes \"column\" and \"value\"");
        return false;
    }
    if (!product && !column && !value)
        return require("/product", "\"product\", or \"column\" with \"value\", is required", NULL,
                       faults);
    if (column && !value)
        return require("/value", "\"column\" needs \"value\"",
                       "GET /v1/predictions/{prediction}/columns/{column}/values lists them",
                       faults);
    if (value && !column)
        return require("/column", "\"value\" needs \"column\"",
                       "GET /v1/predictions/{prediction}/columns lists them", faults);
    return true;
}

static bool check_limit(const cJSON *body, Audience *audience, Faults *faults)
{
    bool size = body_has(body, "max_size"), percentile = body_has(body, "percentile");
    if (size && percentile) {
        faults_add(faults, "/percentile", "conflict", "send null for the one that is not meant",
                   NULL, "only one of \"max_size\" and \"percentile\" may be given");
        return false;
    }
    if (!size && !percentile)
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
    ok &= check_subject(body, faults);
    ok &= check_limit(body, audience, faults);
    return ok ? g_steal_pointer(&audience) : NULL;
}

void audience_write(const Audience *audience, JsonWriter *writer)
{
    fields_write(&audience_table, audience, writer);
}

void audience_free(Audience *audience)
{
    if (!audience)
        return;
    fields_clear(&audience_table, audience);
    g_free(audience);
}
