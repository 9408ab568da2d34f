#include "base/faults.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define FAULTS_MAX          100
/* Longer names are nobody's typing error, and the distance is quadratic in the length. */
#define NAME_MAX_CHARACTERS 100

/* A known name that is near; `order` keeps the sort stable. */
typedef struct Near {
    const char *name;
    size_t distance;
    size_t order;
} Near;

Faults *faults_new(void)
{
    return g_new0(Faults, 1);
}

void faults_clear(Faults *faults)
{
    for (size_t i = 0; i < faults->n; i++) {
        Fault *fault = &faults->list[i];
        g_free(fault->pointer);
        g_free(fault->code);
        g_free(fault->detail);
        g_free(fault->hint);
        g_strfreev(fault->candidates);
    }
    g_free(faults->list);
    *faults = (Faults){0};
}

void faults_free(Faults *faults)
{
    if (!faults)
        return;
    faults_clear(faults);
    g_free(faults);
}

void faults_add(Faults *faults, const char *pointer, const char *code, const char *hint,
                const char *const *candidates, const char *detail_format, ...)
{
    if (faults->n == FAULTS_MAX)
        return;
    if (faults->n == faults->capacity) {
        faults->capacity = faults->capacity ? 2 * faults->capacity : 4;
        faults->list = g_renew(Fault, faults->list, faults->capacity);
    }
    va_list arguments;
    va_start(arguments, detail_format);
    faults->list[faults->n++] = (Fault){
        .pointer = g_strdup(pointer),
        .code = g_strdup(code),
        .detail = g_strdup_vprintf(detail_format, arguments),
        .hint = g_strdup(hint),
        .candidates = g_strdupv((char **)candidates),
    };
    va_end(arguments);
}

bool faults_is_empty(const Faults *faults)
{
    return faults->n == 0;
}

/* Case folded characters; NULL when `text` is empty, too long or not UTF-8. */
static gunichar *folded(const char *text, size_t *length)
{
    if (!*text || strnlen(text, 4 * NAME_MAX_CHARACTERS + 1) > 4 * NAME_MAX_CHARACTERS ||
        !g_utf8_validate(text, -1, NULL))
        return NULL;
    g_autofree char *fold = g_utf8_casefold(text, -1);
    glong n;
    g_autofree gunichar *characters = g_utf8_to_ucs4_fast(fold, -1, &n);
    *length = (size_t)n;
    return n <= NAME_MAX_CHARACTERS ? g_steal_pointer(&characters) : NULL;
}

static size_t least(size_t a, size_t b, size_t c)
{
    size_t least_of_two = a < b ? a : b;
    return least_of_two < c ? least_of_two : c;
}

/* Edits, and swaps of neighbours, that turn a into b (optimal string alignment). */
static size_t distance_between(const gunichar *a, size_t n, const gunichar *b, size_t m)
{
    size_t rows[3][NAME_MAX_CHARACTERS + 1];
    size_t *before = rows[0], *last = rows[1], *row = rows[2];
    for (size_t j = 0; j <= m; j++)
        last[j] = j;
    for (size_t i = 1; i <= n; i++) {
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t change = last[j - 1] + (a[i - 1] != b[j - 1]);
            row[j] = least(change, last[j] + 1, row[j - 1] + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = MIN(row[j], before[j - 2] + 1);
        }
        size_t *free_row = before;
        before = last;
        last = row;
        row = free_row;
    }
    return last[m];
}

static bool is_near(const gunichar *name, size_t length, const char *known, size_t *distance)
{
    size_t known_length, limit = MAX(length / 3, 2);
    g_autofree gunichar *other = folded(known, &known_length);
    if (!other)
        return false;
    size_t longer = MAX(length, known_length), shorter = MIN(length, known_length);
    *distance = longer - shorter;
    if (*distance <= limit)
        *distance = distance_between(name, length, other, known_length);
    if (*distance <= limit && *distance < longer)
        return true;
    return length < known_length && memcmp(name, other, length * sizeof *name) == 0;
}

static int compare_near(const void *a, const void *b)
{
    const Near *left = a, *right = b;
    if (left->distance != right->distance)
        return left->distance < right->distance ? -1 : 1;
    return left->order < right->order ? -1 : 1;
}

char **near_misses(const char *name, const char *const *known, size_t limit)
{
    size_t length;
    g_autofree gunichar *characters = folded(name, &length);
    if (!characters || limit == 0)
        return NULL;
    g_autoptr(GArray) found = g_array_new(false, false, sizeof(Near));
    for (size_t i = 0; known[i]; i++) {
        Near near = {.name = known[i], .order = i};
        if (is_near(characters, length, known[i], &near.distance))
            g_array_append_val(found, near);
    }
    if (found->len == 0)
        return NULL;
    qsort(found->data, found->len, sizeof(Near), compare_near);
    size_t n = MIN(limit, found->len);
    char **names = g_new0(char *, n + 1);
    for (size_t i = 0; i < n; i++)
        names[i] = g_strdup(g_array_index(found, Near, i).name);
    return names;
}
