#include "members.h"

#include <string.h>

#include "cursor.h"

#define PIECE_BYTES    65536
#define SCORE_DECIMALS 6

static void write_member(const Snapshot *snapshot, const Members *members, uint32_t i,
                         JsonWriter *json)
{
    size_t length = 0;
    const char *user = ids_get(snapshot_users(snapshot), members->user[i], &length);
    json_begin_object(json);
    json_key(json, "user");
    json_string_n(json, user, length);
    json_key(json, "rank");
    json_uint(json, i + 1);
    json_key(json, "score");
    json_fixed(json, (double)members->score[i], SCORE_DECIMALS);
    json_key(json, "probability");
    if (members->probability[i] > 0)
        json_fixed(json, (double)members->probability[i], SCORE_DECIMALS);
    else
        json_null(json);
    json_end_object(json);
}

void members_write_page(const Snapshot *snapshot, const Ranking *ranking, uint32_t first,
                        size_t limit, JsonWriter *json)
{
    const Members *members = ranking->members;
    uint32_t last = first + (uint32_t)MIN(limit, members->n - MIN(first, members->n));
    json_begin_object(json);
    json_key(json, "items");
    json_begin_array(json);
    for (uint32_t i = first; i < last; i++)
        write_member(snapshot, members, i, json);
    json_end_array(json);
    g_autofree char *place =
        last < members->n ? g_strdup_printf("%s.%u", ranking->fingerprint, last) : NULL;
    page_write_next(&(Page){.list = "members"}, place, json);
    json_key(json, "size");
    json_uint(json, members->n);
    json_key(json, "predictable");
    json_uint(json, members->predictable);
    json_key(json, "version");
    json_uint(json, snapshot_version(snapshot));
    json_key(json, "short_because");
    json_string(json, members->short_because);
    json_end_object(json);
}

bool members_read_place(const Ranking *ranking, const char *place, uint32_t *first)
{
    *first = 0;
    if (!place)
        return true;
    size_t length = strlen(ranking->fingerprint);
    if (strncmp(place, ranking->fingerprint, length) != 0 || place[length] != '.')
        return false;
    guint64 member = 0;
    if (!g_ascii_string_to_unsigned(place + length + 1, 10, 0, UINT32_MAX, &member, NULL))
        return false;
    *first = (uint32_t)MIN(member, ranking->members->n);
    return true;
}

/* ---- streams ---- */

typedef struct MembersStream {
    Snapshot *snapshot;
    Ranking *ranking;
    uint32_t next;
    bool begun;
} MembersStream;

static void stream_free(void *state)
{
    MembersStream *stream = state;
    snapshot_unref(stream->snapshot);
    ranking_unref(stream->ranking);
    g_free(stream);
}

/* RFC 4180: quoted when it holds a comma, a quote or a line break. */
static void append_csv(Buffer *out, const char *bytes, size_t length)
{
    bool plain = true;
    for (size_t i = 0; i < length && plain; i++)
        plain = !strchr(",\"\r\n", bytes[i]);
    if (plain) {
        buffer_append(out, bytes, length);
        return;
    }
    buffer_append_text(out, "\"");
    for (size_t i = 0; i < length; i++)
        buffer_append(out, bytes[i] == '"' ? "\"\"" : bytes + i, bytes[i] == '"' ? 2 : 1);
    buffer_append_text(out, "\"");
}

static StreamStep csv_next(void *state, Buffer *out, uint32_t *wait_ms)
{
    MembersStream *stream = state;
    const Members *members = stream->ranking->members;
    JsonWriter number;
    if (!stream->begun)
        buffer_append_text(out, "user,rank,score,probability\r\n");
    stream->begun = true;
    while (stream->next < members->n && out->length < PIECE_BYTES && !out->failed) {
        uint32_t i = stream->next++;
        size_t length = 0;
        const char *user = ids_get(snapshot_users(stream->snapshot), members->user[i], &length);
        append_csv(out, user, length);
        buffer_printf(out, ",%u,", i + 1);
        json_writer_init(&number, out);
        json_fixed(&number, (double)members->score[i], SCORE_DECIMALS);
        buffer_append_text(out, ",");
        json_writer_init(&number, out);
        if (members->probability[i] > 0)
            json_fixed(&number, (double)members->probability[i], SCORE_DECIMALS);
        buffer_append_text(out, "\r\n");
    }
    return stream->next < members->n ? STREAM_MORE : STREAM_END;
}

static StreamStep ndjson_next(void *state, Buffer *out, uint32_t *wait_ms)
{
    MembersStream *stream = state;
    const Members *members = stream->ranking->members;
    while (stream->next < members->n && out->length < PIECE_BYTES && !out->failed) {
        JsonWriter json;
        json_writer_init(&json, out);
        write_member(stream->snapshot, members, stream->next++, &json);
        buffer_append_text(out, "\n");
    }
    return stream->next < members->n ? STREAM_MORE : STREAM_END;
}

void members_stream(Snapshot *snapshot, Ranking *ranking, MembersFormat format,
                    const char *audience, Response *response)
{
    bool csv = format == MEMBERS_CSV;
    MembersStream *stream = g_new0(MembersStream, 1);
    stream->snapshot = snapshot_ref(snapshot);
    stream->ranking = ranking_ref(ranking);
    g_autofree char *name =
        g_strdup_printf("attachment; filename=\"%s.%s\"", audience, csv ? "csv" : "ndjson");
    response_header(response, "Content-Disposition", name);
    response_stream(response, csv ? "text/csv; charset=utf-8" : "application/x-ndjson",
                    csv ? csv_next : ndjson_next, stream, stream_free);
}
