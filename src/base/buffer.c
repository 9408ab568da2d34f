#include "base/buffer.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define FIRST_CAPACITY 256

void buffer_init(Buffer *buffer)
{
    *buffer = (Buffer){0};
}

void buffer_clear(Buffer *buffer)
{
    g_free(buffer->data);
    *buffer = (Buffer){0};
}

void buffer_reset(Buffer *buffer)
{
    buffer->length = 0;
    buffer->failed = false;
}

/* Doubling keeps appends linear in total. */
static size_t grown_capacity(size_t capacity, size_t needed)
{
    size_t grown = capacity ? capacity : FIRST_CAPACITY;
    while (grown < needed)
        grown = grown > SIZE_MAX / 2 ? needed : grown * 2;
    return grown;
}

bool buffer_reserve(Buffer *buffer, size_t extra)
{
    if (buffer->failed)
        return false;
    if (extra <= buffer->capacity - buffer->length)
        return true;
    char *data = NULL;
    size_t capacity = 0;
    if (extra <= SIZE_MAX - buffer->length) {
        capacity = grown_capacity(buffer->capacity, buffer->length + extra);
        data = g_try_realloc(buffer->data, capacity);
    }
    if (!data) {
        buffer->failed = true;
        return false;
    }
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

char *buffer_extend(Buffer *buffer, size_t length)
{
    if (!buffer_reserve(buffer, length))
        return NULL;
    char *begin = buffer->data + buffer->length;
    buffer->length += length;
    return begin;
}

void buffer_append(Buffer *buffer, const void *bytes, size_t length)
{
    char *begin = length > 0 ? buffer_extend(buffer, length) : NULL;
    if (begin)
        memcpy(begin, bytes, length);
}

void buffer_append_text(Buffer *buffer, const char *text)
{
    buffer_append(buffer, text, strlen(text));
}

void buffer_printf(Buffer *buffer, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    /* The terminating NUL needs room too, but is not content. */
    if (length >= 0 && buffer_reserve(buffer, (size_t)length + 1)) {
        vsnprintf(buffer->data + buffer->length, (size_t)length + 1, format, again);
        buffer->length += (size_t)length;
    }
    va_end(again);
}

const char *buffer_text(Buffer *buffer)
{
    if (buffer->length == 0)
        return "";
    if (buffer->length == buffer->capacity && !buffer_reserve(buffer, 1)) {
        /* No room for the end mark: what is cut already loses its last byte. */
        buffer->length--;
    }
    buffer->data[buffer->length] = '\0';
    return buffer->data;
}
