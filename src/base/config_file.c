#include "config_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

#define FILE_MAX_BYTES (1 << 20)

typedef struct Reader {
    ConfigVisit *visit;
    void *data;
    const char *section; /* in the text; NULL before the first heading */
} Reader;

static bool read_heading(Reader *reader, char *line, GError **error)
{
    size_t length = strlen(line);
    if (line[length - 1] != ']') {
        error_set(error, ERR_INVALID, "a section heading must end with ]");
        return false;
    }
    line[length - 1] = '\0';
    reader->section = g_strstrip(line + 1);
    return reader->visit(reader->data, reader->section, NULL, NULL, error);
}

static bool read_line(Reader *reader, char *line, GError **error)
{
    g_strstrip(line);
    if (*line == '\0' || *line == '#' || *line == ';')
        return true;
    if (*line == '[')
        return read_heading(reader, line, error);
    char *equals = strchr(line, '=');
    if (!equals) {
        error_set(error, ERR_INVALID, "a line must be [section], name = value, or a # comment");
        return false;
    }
    if (!reader->section) {
        error_set(error, ERR_INVALID, "a setting must stand below a [section]");
        return false;
    }
    *equals = '\0';
    return reader->visit(reader->data, reader->section, g_strstrip(line), g_strstrip(equals + 1),
                         error);
}

bool config_file_scan(char *text, const char *path, ConfigVisit *visit, void *data, GError **error)
{
    Reader reader = {.visit = visit, .data = data};
    char *next = text;
    for (unsigned number = 1; next; number++) {
        char *line = strsep(&next, "\n");
        if (!read_line(&reader, line, error)) {
            g_prefix_error(error, "%s line %u: ", path, number);
            return false;
        }
    }
    return true;
}

bool config_file_read(const char *path, ConfigVisit *visit, void *data, GError **error)
{
    g_autofree char *text = config_file_text(path, FILE_MAX_BYTES, error);
    return text && config_file_scan(text, path, visit, data, error);
}

char *config_file_text(const char *path, size_t max, GError **error)
{
    FILE *file = fopen(path, "re");
    if (!file) {
        error_set(error, ERR_INVALID, "cannot open %s: %s", path, g_strerror(errno));
        return NULL;
    }
    g_autofree char *text = g_malloc(max + 2);
    size_t length = fread(text, 1, max + 1, file);
    int failure = ferror(file) ? errno : 0;
    fclose(file);
    if (failure) {
        error_set(error, ERR_INVALID, "cannot read %s: %s", path, g_strerror(failure));
        return NULL;
    }
    if (length > max || memchr(text, '\0', length)) {
        error_set(error, ERR_INVALID, "%s must be text of at most %zu bytes", path, max);
        return NULL;
    }
    text[length] = '\0';
    return g_steal_pointer(&text);
}
