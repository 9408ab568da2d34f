/* The values of a mapped column as people look for them: by prefix, and by what they meant to type.
 */
#include <string.h>

#include "base/error.h"
#include "base/faults.h"
#include "index/audience.h"
#include "layout.h"

/* Longer texts are not typed by hand, and comparing them all would take quadratic time. */
#define TYPED_MAX     256
#define CANDIDATE_MAX 1024

/* Text in which case makes no difference; bytes that are not UTF-8 keep theirs. */
static char *folded(const char *bytes, size_t length)
{
    if (g_utf8_validate_len(bytes, length, NULL))
        return g_utf8_casefold(bytes, (gssize)length);
    return g_ascii_strdown(bytes, (gssize)length);
}

static bool begins_with(const char *bytes, size_t length, const char *folded_prefix)
{
    if (!folded_prefix[0])
        return true;
    g_autofree char *text = folded(bytes, length);
    return g_str_has_prefix(text, folded_prefix);
}

static gint by_products(gconstpointer left, gconstpointer right, gpointer context)
{
    const ValueCount *a = left, *b = right;
    if (a->products != b->products)
        return a->products > b->products ? -1 : 1;
    const Ids *values = context;
    size_t a_length, b_length;
    const char *a_bytes = ids_get(values, a->value, &a_length);
    const char *b_bytes = ids_get(values, b->value, &b_length);
    int order = memcmp(a_bytes, b_bytes, MIN(a_length, b_length));
    if (order != 0)
        return order;
    return a_length < b_length ? -1 : a_length > b_length;
}

uint32_t snapshot_values(const Snapshot *snapshot, const Column *column, const char *prefix,
                         uint32_t offset, uint32_t limit, ValueCount *list, uint32_t *total,
                         GError **error)
{
    size_t number = (size_t)(column - snapshot->attributes->columns);
    uint32_t n_values = ids_count(column->values), n = 0;
    *total = 0;
    g_autofree ValueCount *found = g_try_new(ValueCount, (size_t)n_values + 1);
    if (!found) {
        error_set(error, ERR_NO_MEMORY, "no memory to list %u values", n_values);
        return 0;
    }
    g_autofree char *wanted = folded(prefix ? prefix : "", prefix ? strlen(prefix) : 0);
    for (uint32_t value = 0; value < n_values; value++) {
        size_t length;
        const char *bytes = ids_get(column->values, value, &length);
        uint32_t products;
        inverted_list(snapshot, number, value, &products);
        if (products > 0 && begins_with(bytes, length, wanted))
            found[n++] = (ValueCount){.value = value, .products = products};
    }
    g_qsort_with_data(found, (gint)n, sizeof *found, by_products, column->values);
    *total = n;
    uint32_t count = offset < n ? MIN(limit, n - offset) : 0;
    if (count > 0)
        memcpy(list, found + offset, count * sizeof *list);
    return count;
}

/* How often each ASCII character occurs, without case. Comparing two such counts never says more
 * edits than there are, so it can only leave out what near_misses() would leave out. */
typedef struct Letters {
    uint16_t count[128];
} Letters;

static Letters letters_of(const char *bytes, size_t length)
{
    Letters letters = {0};
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)bytes[i] < 128)
            letters.count[(unsigned char)g_ascii_tolower(bytes[i])]++;
    }
    return letters;
}

static bool may_be_near(const Letters *typed, const char *bytes, size_t length, unsigned distance)
{
    if (length > CANDIDATE_MAX || memchr(bytes, '\0', length))
        return false;
    Letters letters = letters_of(bytes, length);
    unsigned missing = 0, extra = 0;
    for (size_t c = 0; c < G_N_ELEMENTS(letters.count); c++) {
        if (letters.count[c] < typed->count[c])
            missing += typed->count[c] - letters.count[c];
        else
            extra += letters.count[c] - typed->count[c];
    }
    return missing == 0 || (missing <= distance && extra <= distance);
}

char **snapshot_near_values(const Snapshot *snapshot, const Column *column, const char *typed,
                            size_t limit)
{
    size_t typed_length = strlen(typed);
    if (typed_length > TYPED_MAX || !g_utf8_validate_len(typed, typed_length, NULL))
        return NULL;
    const Ids *ids = column ? column->values : snapshot->items;
    Letters letters = letters_of(typed, typed_length);
    unsigned distance = MAX(2, (unsigned)(typed_length + 2) / 3);
    g_autoptr(GPtrArray) known = g_ptr_array_new_with_free_func(g_free);
    for (uint32_t number = 0; number < ids_count(ids); number++) {
        size_t length;
        const char *bytes = ids_get(ids, number, &length);
        if (may_be_near(&letters, bytes, length, distance) &&
            g_utf8_validate_len(bytes, length, NULL))
            g_ptr_array_add(known, g_strndup(bytes, length));
    }
    g_ptr_array_add(known, NULL);
    return near_misses(typed, (const char *const *)known->pdata, limit);
}
