/* A growable run of bytes that keeps its memory between uses. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <glib.h>

typedef struct Buffer {
    char *data;      /* not NUL-terminated; NULL while empty */
    size_t length;   /* bytes used */
    size_t capacity; /* bytes owned */
    bool failed;     /* an allocation failed: content is cut, later appends do nothing */
} Buffer;

void buffer_init(Buffer *buffer);
void buffer_clear(Buffer *buffer);

/* Empties it and keeps its memory. */
void buffer_reset(Buffer *buffer);

/* Makes room for `extra` more bytes; false (and `failed`) when memory is short. */
bool buffer_reserve(Buffer *buffer, size_t extra);

/* Appends `length` bytes for the caller to write: where they begin, until the buffer's next use;
 * NULL (and `failed`) when memory is short. */
char *buffer_extend(Buffer *buffer, size_t length);

void buffer_append(Buffer *buffer, const void *bytes, size_t length);
void buffer_append_text(Buffer *buffer, const char *text);
void buffer_printf(Buffer *buffer, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* NUL-terminated content, owned by the buffer until its next use; "" when empty. */
const char *buffer_text(Buffer *buffer);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Buffer, buffer_clear)
