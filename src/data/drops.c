#include "drops.h"

#include <string.h>

#define SAMPLE_CHARACTERS 64

static const char *const rule_names[DROP_RULES] = {
    [DROP_NO_USER] = "no_user",
    [DROP_NO_PRODUCT] = "no_product",
    [DROP_UNKNOWN_USER] = "unknown_user",
    [DROP_UNKNOWN_PRODUCT] = "unknown_product",
    [DROP_NO_TIME] = "no_time",
    [DROP_FUTURE] = "future",
    [DROP_BAD_QUANTITY] = "bad_quantity",
    [DROP_OUTSIDE_PERIOD] = "outside_period",
    [DROP_EXCLUDED_PERIOD] = "excluded_period",
    [DROP_RETURNED] = "returned",
};

/* UTF-8, what cannot be printed as U+FFFD, cut to the limit. */
static char *printable(const char *bytes, size_t length)
{
    /* Longer than any sample: a 10 kB id need not be looked at whole. */
    g_autofree char *valid = g_utf8_make_valid(bytes, (gssize)MIN(length, 6 * SAMPLE_CHARACTERS));
    GString *sample = g_string_new(NULL);
    unsigned n = 0;
    for (const char *at = valid; *at && n < SAMPLE_CHARACTERS; at = g_utf8_next_char(at), n++) {
        gunichar character = g_utf8_get_char(at);
        g_string_append_unichar(sample, g_unichar_isprint(character) ? character : 0xFFFD);
    }
    return g_string_free(sample, FALSE);
}

static bool has_sample(const DropCount *count, const char *sample)
{
    for (unsigned i = 0; i < count->n_samples; i++)
        if (strcmp(count->samples[i], sample) == 0)
            return true;
    return false;
}

const char *drop_rule_name(DropRule rule)
{
    return rule_names[rule];
}

void drop_add(DropCount *count, const char *bytes, size_t length)
{
    count->rows++;
    if (!bytes || count->n_samples == DROP_SAMPLES)
        return;
    g_autofree char *sample = printable(bytes, length);
    if (!has_sample(count, sample))
        count->samples[count->n_samples++] = g_steal_pointer(&sample);
}

void drops_copy(DropCount to[DROP_RULES], const DropCount from[DROP_RULES])
{
    for (int rule = 0; rule < DROP_RULES; rule++) {
        to[rule] = from[rule];
        for (unsigned i = 0; i < from[rule].n_samples; i++)
            to[rule].samples[i] = g_strdup(from[rule].samples[i]);
    }
}

void drops_clear(DropCount counts[DROP_RULES])
{
    for (int rule = 0; rule < DROP_RULES; rule++)
        for (unsigned i = 0; i < counts[rule].n_samples; i++)
            g_free(counts[rule].samples[i]);
    memset(counts, 0, DROP_RULES * sizeof *counts);
}
