#include "reader_copy.h"

#include <string.h>

#include "base/error.h"

#include "source_session.h"

#define ROWS_PER_CHECK 4096

static const char signature[] = "PGCOPY\n\377\r\n"; /* and its NUL: 11 bytes */

/* Bytes of the header (signature, flags, extension) at the start of the stream; 0 when it is none.
 */
static size_t header_length(const char *bytes, size_t length)
{
    if (length < 19 || memcmp(bytes, signature, sizeof signature) != 0)
        return 0;
    uint32_t extension;
    memcpy(&extension, bytes + 15, sizeof extension);
    extension = __builtin_bswap32(extension);
    return extension > length - 19 ? 0 : 19 + (size_t)extension;
}

static CopyStep damaged(const CopyStream *stream, GError **error)
{
    error_set(error, ERR_INTERNAL, "%s: the server sent a row that is no binary COPY row",
              stream->what);
    return COPY_FAILED;
}

/* A database without an encoding may hold any bytes; the server checks them as it sends them. */
static bool refuse(const CopyStream *stream, const PGresult *result, GError **error)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    if (g_strcmp0(state, "22021") != 0)
        return db_error(stream->connection, result, stream->what, error);
    error_set(error, ERR_INVALID, "%s: text that is not UTF-8: %s", stream->what, message);
    return false;
}

/* After the last row: the COPY's own result says whether it ended well. */
static CopyStep finish(CopyStream *stream, GError **error)
{
    bool good = true;
    for (;;) {
        while (PQisBusy(stream->connection))
            if (!session_wait(stream->connection, stream->cancel, error))
                return COPY_FAILED;
        g_autoptr(PGresult) result = PQgetResult(stream->connection);
        if (result == NULL)
            return good ? COPY_END : COPY_FAILED;
        if (good && PQresultStatus(result) != PGRES_COMMAND_OK)
            good = refuse(stream, result, error);
    }
}

static int next_message(CopyStream *stream, char **message, GError **error)
{
    if (stream->rows % ROWS_PER_CHECK == ROWS_PER_CHECK - 1 && cancel_is_raised(stream->cancel)) {
        session_wait(stream->connection, stream->cancel, error); /* cancels at the server */
        return -2;
    }
    int length = PQgetCopyData(stream->connection, message, 1);
    while (length == 0) {
        if (!session_wait(stream->connection, stream->cancel, error))
            return -2;
        length = PQgetCopyData(stream->connection, message, 1);
    }
    if (length == -2)
        db_error(stream->connection, NULL, stream->what, error);
    return length;
}

CopyStep copy_stream_next(CopyStream *stream, CopyField *fields, char **message, GError **error)
{
    for (;;) {
        int length = next_message(stream, message, error);
        if (length < 0)
            return length == -1 ? finish(stream, error) : COPY_FAILED;
        size_t skip = stream->started ? 0 : header_length(*message, (size_t)length);
        if (skip == 0 && !stream->started) {
            g_clear_pointer(message, PQfreemem);
            return damaged(stream, error);
        }
        stream->started = true;
        const char *row = *message + skip;
        size_t bytes = (size_t)length - skip;
        bool trailer = bytes == 2 && memcmp(row, "\377\377", 2) == 0;
        if (bytes > 0 && !trailer) {
            stream->rows++;
            if (copy_split(row, bytes, stream->n_fields, fields))
                return COPY_ROW;
            g_clear_pointer(message, PQfreemem);
            return damaged(stream, error);
        }
        g_clear_pointer(message, PQfreemem);
    }
}
