/* A file in a folder of its own, for the tests of src/data that write one. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>
#include <glib.h>
#include <glib/gstdio.h>

#include "base/error.h"
#include "data/sections.h"

typedef struct DataFile {
    char *folder, *path, *part;
} DataFile;

static inline DataFile data_file_new(void)
{
    DataFile file = {.folder = g_dir_make_tmp("shortlist-data-XXXXXX", NULL)};
    assert_non_null(file.folder);
    file.path = g_build_filename(file.folder, "file", NULL);
    file.part = g_strconcat(file.path, ".part", NULL);
    return file;
}

static inline void data_file_clear(DataFile *file)
{
    g_unlink(file->path);
    g_unlink(file->part);
    g_rmdir(file->folder);
    g_free(file->folder);
    g_free(file->path);
    g_free(file->part);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DataFile, data_file_clear)

static inline bool data_file_exists(const char *path)
{
    return g_file_test(path, G_FILE_TEST_EXISTS);
}

/* The whole content, for g_free(). */
static inline uint8_t *data_file_read(const DataFile *file, size_t *length)
{
    char *content = NULL;
    assert_true(g_file_get_contents(file->path, &content, length, NULL));
    return (uint8_t *)content;
}

static inline void data_file_write(const DataFile *file, const void *bytes, size_t length)
{
    assert_true(g_file_set_contents(file->path, bytes, (gssize)length, NULL));
}

static inline void expect_error(const GError *error, ErrorCode code)
{
    assert_non_null(error);
    assert_int_equal(error_code(error), code);
}
