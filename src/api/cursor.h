/* Pages of lists: the query parameters limit and cursor. A cursor is opaque to callers: base64url
 * of the list's name and the place to go on from, so that one list's cursor does not open another.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/faults.h"
#include "base/json.h"
#include "http/request.h"

#define PAGE_LIMIT     20
#define PAGE_LIMIT_MAX 100

typedef struct Page {
    const char *list; /* name of the list */
    size_t limit;
    char *after; /* where to go on from, NULL: the start */
} Page;

/* For g_free(). */
char *cursor_make(const char *list, const char *place);

/* The place, for g_free(); NULL when it is no cursor of that list. */
char *cursor_open(const char *list, const char *cursor);

/* Fills the page from the query; faults are added, and `after` stays NULL. For page_clear(). */
void page_read(Page *page, const char *list, Request *request, Faults *faults);
void page_clear(Page *page);

/* The member next_cursor; `last` NULL: there is no next page. */
void page_write_next(const Page *page, const char *last, JsonWriter *json);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Page, page_clear)
