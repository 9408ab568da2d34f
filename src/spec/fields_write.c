/* The writing half of spec/fields.h. */
#include "spec/fields.h"

static bool is_none(const Field *field, double number)
{
    return number == field->absent && (number < field->min || number > field->max);
}

static size_t count_of(const void *at)
{
    return *(const size_t *)(const void *)((const char *)at + sizeof(void *));
}

static bool is_left_out(const Field *field, const void *at);

static bool is_empty(const FieldTable *table, const void *from)
{
    for (size_t i = 0; i < table->n_fields; i++)
        if (!is_left_out(&table->fields[i], (const char *)from + table->fields[i].offset))
            return false;
    return true;
}

static bool is_left_out(const Field *field, const void *at)
{
    switch (field->type) {
    case FIELD_OBJECT:
        return field->absent != 0 && is_empty(field->table, at);
    case FIELD_STRING:
    case FIELD_SLUG:
    case FIELD_STRINGS:
        return !*(void *const *)at;
    case FIELD_LIST:
        return field->min > 0 && count_of(at) == 0;
    case FIELD_TIME:
        return *(const int64_t *)at == INT64_MIN;
    case FIELD_INT:
        return is_none(field, (double)*(const int64_t *)at);
    case FIELD_NUMBER:
        return is_none(field, *(const double *)at);
    default:
        return false;
    }
}

static void write_strings(char *const *list, JsonWriter *writer)
{
    json_begin_array(writer);
    for (; *list; list++)
        json_string(writer, *list);
    json_end_array(writer);
}

static void write_object(const FieldTable *table, const void *from, JsonWriter *writer)
{
    json_begin_object(writer);
    fields_write(table, from, writer);
    json_end_object(writer);
}

static void write_list(const Field *field, const char *at, JsonWriter *writer)
{
    const char *items = *(char *const *)(const void *)at;
    size_t n = count_of(at);
    json_begin_array(writer);
    for (size_t i = 0; i < n; i++)
        write_object(field->table, items + i * field->table->size, writer);
    json_end_array(writer);
}

/* Exact, unlike json_number(): what is stored is read back. */
static void write_number(double number, JsonWriter *writer)
{
    const cJSON value = {.type = cJSON_Number, .valuedouble = number};
    json_value(writer, &value);
}

static void write_field(const Field *field, const void *at, JsonWriter *writer)
{
    switch (field->type) {
    case FIELD_STRING:
    case FIELD_SLUG:
        json_string(writer, *(char *const *)at);
        break;
    case FIELD_ENUM:
        json_string(writer, field->names[*(const int *)at]);
        break;
    case FIELD_INT:
        json_int(writer, *(const int64_t *)at);
        break;
    case FIELD_NUMBER:
        write_number(*(const double *)at, writer);
        break;
    case FIELD_BOOL:
        json_bool(writer, *(const bool *)at);
        break;
    case FIELD_TIME:
        json_time(writer, *(const int64_t *)at);
        break;
    case FIELD_STRINGS:
        write_strings(*(char **const *)at, writer);
        break;
    case FIELD_OBJECT:
        write_object(field->table, at, writer);
        break;
    case FIELD_LIST:
        write_list(field, at, writer);
        break;
    }
}

void fields_write(const FieldTable *table, const void *from, JsonWriter *writer)
{
    for (size_t i = 0; i < table->n_fields; i++) {
        const Field *field = &table->fields[i];
        const void *at = (const char *)from + field->offset;
        if (is_left_out(field, at))
            continue;
        json_key(writer, field->name);
        write_field(field, at, writer);
    }
}
