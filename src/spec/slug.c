/* Ids made from names. */
#include "spec/model.h"

/* A slug begins with a letter, so digits before the first one go. */
char *slug_from(const char *text, size_t max)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    g_autofree char *ascii = g_str_to_ascii(valid, "C");
    GString *slug = g_string_new(NULL);
    bool separated = false;
    for (const char *at = ascii; *at && slug->len < max; at++) {
        bool is_word = g_ascii_isalnum(*at) || *at == '_';
        if (!is_word || (slug->len == 0 && !g_ascii_isalpha(*at))) {
            separated = slug->len > 0;
            continue;
        }
        if (separated && slug->len + 1 < max)
            g_string_append_c(slug, '-');
        else if (separated)
            break;
        separated = false;
        g_string_append_c(slug, g_ascii_tolower(*at));
    }
    return g_string_free(slug, slug->len == 0);
}
