/* One row of the settings table, and how its text becomes a value. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

typedef enum SettingType {
    SETTING_TEXT,   /* char *; min and max are its length in bytes */
    SETTING_SCHEMA, /* char *; a plain SQL name */
    SETTING_CHOICE, /* char *; one of `choices` */
    SETTING_UINT16,
    SETTING_UINT32,
    SETTING_UINT64
} SettingType;

typedef enum SettingUnit {
    UNIT_NONE,
    UNIT_BYTES, /* also KiB, MiB, GiB */
    UNIT_MS     /* also ms, s, min */
} SettingUnit;

typedef struct Setting {
    const char *section; /* "source": one row stands for every source */
    const char *name;
    SettingType type;
    SettingUnit unit;
    size_t offset; /* in Settings; of section "source" in SourceSettings */
    uint64_t min, max;
    const char *absent; /* the default as text; NULL: none */
    const char *const *choices;
    const char *help;
} Setting;

/* The table, for help and for the test of the shipped file. */
const Setting *settings_table(size_t *n);

/* Replaces the value at `base` + offset. ERR_INVALID names the setting and the rule, never the
 * value: it may be a secret. */
bool setting_parse(const Setting *setting, const char *text, void *base, GError **error);

/* The rule as a phrase, "an integer from 0 to 65535". For g_free(). */
char *setting_rule(const Setting *setting);

bool setting_is_text(const Setting *setting);
