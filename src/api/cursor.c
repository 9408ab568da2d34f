#include "cursor.h"

#include <string.h>

#define CURSOR_MAX 2048

char *cursor_make(const char *list, const char *place)
{
    g_autofree char *plain = g_strconcat(list, ":", place, NULL);
    char *text = g_base64_encode((const guchar *)plain, strlen(plain));
    g_strdelimit(text, "+", '-');
    g_strdelimit(text, "/", '_');
    text[strcspn(text, "=")] = '\0';
    return text;
}

/* Base64url back to what g_base64_decode() reads; NULL when a character is none of its. */
static char *standard_base64(const char *cursor)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t length = strlen(cursor);
    if (length == 0 || length > CURSOR_MAX || length % 4 == 1 || strspn(cursor, alphabet) != length)
        return NULL;
    static const char *const padding[] = {"", NULL, "==", "="};
    char *text = g_strconcat(cursor, padding[length % 4], NULL);
    g_strdelimit(text, "-", '+');
    g_strdelimit(text, "_", '/');
    return text;
}

char *cursor_open(const char *list, const char *cursor)
{
    g_autofree char *text = standard_base64(cursor);
    if (!text)
        return NULL;
    gsize length = 0;
    g_autofree char *plain = (char *)g_base64_decode(text, &length);
    size_t name = strlen(list);
    if (length <= name + 1 || memcmp(plain, list, name) != 0 || plain[name] != ':' ||
        !g_utf8_validate_len(plain, length, NULL))
        return NULL;
    return g_strndup(plain + name + 1, length - name - 1);
}

void page_read(Page *page, const char *list, Request *request, Faults *faults)
{
    *page = (Page){.list = list};
    page->limit =
        (size_t)request_query_int(request, "limit", 1, PAGE_LIMIT_MAX, PAGE_LIMIT, faults);
    const char *cursor = request_query(request, "cursor", NULL);
    if (!cursor)
        return;
    page->after = cursor_open(list, cursor);
    if (!page->after)
        faults_add(faults, "?cursor", "invalid", "send the next_cursor of the page before", NULL,
                   "\"cursor\" is not one that this list gave");
}

void page_clear(Page *page)
{
    g_clear_pointer(&page->after, g_free);
}

void page_write_next(const Page *page, const char *last, JsonWriter *json)
{
    g_autofree char *cursor = last ? cursor_make(page->list, last) : NULL;
    json_key(json, "next_cursor");
    json_string(json, cursor);
}
