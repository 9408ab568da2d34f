#include "config_value.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"

#define SCHEMA_NAME_MAX 63

typedef struct Suffix {
    SettingUnit unit;
    const char *text;
    uint64_t factor;
} Suffix;

static const Suffix suffixes[] = {
    {UNIT_BYTES, "KiB", UINT64_C(1) << 10},
    {UNIT_BYTES, "MiB", UINT64_C(1) << 20},
    {UNIT_BYTES, "GiB", UINT64_C(1) << 30},
    {UNIT_MS, "ms", 1},
    {UNIT_MS, "s", 1000},
    {UNIT_MS, "min", 60000},
};

/* 0 when `text` is no suffix of the unit. */
static uint64_t factor_of(SettingUnit unit, const char *text)
{
    if (!*text)
        return 1;
    for (size_t i = 0; i < G_N_ELEMENTS(suffixes); i++)
        if (suffixes[i].unit == unit && strcmp(suffixes[i].text, text) == 0)
            return suffixes[i].factor;
    return 0;
}

static bool parse_number(const Setting *setting, const char *text, uint64_t *value)
{
    if (!g_ascii_isdigit(*text))
        return false;
    char *end;
    errno = 0;
    uint64_t number = g_ascii_strtoull(text, &end, 10);
    while (*end == ' ')
        end++;
    uint64_t factor = factor_of(setting->unit, end);
    if (errno == ERANGE || factor == 0 || number > UINT64_MAX / factor)
        return false;
    *value = number * factor;
    return *value >= setting->min && *value <= setting->max;
}

static bool is_schema_name(const char *text)
{
    size_t length = strlen(text);
    if (length < 1 || length > SCHEMA_NAME_MAX || g_ascii_isdigit(*text))
        return false;
    for (size_t i = 0; i < length; i++)
        if (!g_ascii_islower(text[i]) && !g_ascii_isdigit(text[i]) && text[i] != '_')
            return false;
    return !g_str_has_prefix(text, "pg_");
}

static bool is_clean_text(const char *text)
{
    for (const char *at = text; *at; at++)
        if (g_ascii_iscntrl(*at))
            return false;
    return g_utf8_validate(text, -1, NULL);
}

static bool text_is_allowed(const Setting *setting, const char *text)
{
    if (setting->type == SETTING_CHOICE)
        return g_strv_contains(setting->choices, text);
    if (setting->type == SETTING_SCHEMA)
        return is_schema_name(text);
    size_t length = strlen(text);
    return length >= setting->min && length <= setting->max && is_clean_text(text);
}

static void store_number(SettingType type, uint64_t number, void *place)
{
    if (type == SETTING_UINT16)
        *(uint16_t *)place = (uint16_t)number;
    else if (type == SETTING_UINT32)
        *(uint32_t *)place = (uint32_t)number;
    else
        *(uint64_t *)place = number;
}

static bool refuse(const Setting *setting, GError **error)
{
    g_autofree char *rule = setting_rule(setting);
    error_set(error, ERR_INVALID, "\"%s\" must be %s", setting->name, rule);
    return false;
}

bool setting_is_text(const Setting *setting)
{
    return setting->type <= SETTING_CHOICE;
}

bool setting_parse(const Setting *setting, const char *text, void *base, GError **error)
{
    void *place = (char *)base + setting->offset;
    if (!setting_is_text(setting)) {
        uint64_t number;
        if (!parse_number(setting, text, &number))
            return refuse(setting, error);
        store_number(setting->type, number, place);
        return true;
    }
    if (!text_is_allowed(setting, text))
        return refuse(setting, error);
    g_free(*(char **)place);
    *(char **)place = g_strdup(text);
    return true;
}

char *setting_rule(const Setting *setting)
{
    if (setting->type == SETTING_CHOICE) {
        g_autofree char *words = g_strjoinv(", ", (char **)setting->choices);
        return g_strdup_printf("one of %s", words);
    }
    if (setting->type == SETTING_SCHEMA)
        return g_strdup("a name of a-z, 0-9 and _, at most 63 long, not beginning with a digit "
                        "or pg_");
    if (setting->type == SETTING_TEXT)
        return g_strdup_printf("text of %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT
                               " bytes without control characters",
                               setting->min, setting->max);
    static const char *const units[] = {[UNIT_NONE] = "",
                                        [UNIT_BYTES] = " bytes, or with KiB, MiB, GiB",
                                        [UNIT_MS] = " milliseconds, or with ms, s, min"};
    return g_strdup_printf("an integer from %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT "%s",
                           setting->min, setting->max, units[setting->unit]);
}
