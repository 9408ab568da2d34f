/* Members of an audience on their way out: a page of JSON, or all of them streamed. */
#pragma once

#include "http/response.h"
#include "index/snapshot.h"
#include "ranking.h"

typedef enum MembersFormat { MEMBERS_JSON, MEMBERS_CSV, MEMBERS_NDJSON } MembersFormat;

/* One page from member `first` on; the cursor of the next one is "fingerprint.member". */
void members_write_page(const Snapshot *snapshot, const Ranking *ranking, uint32_t first,
                        size_t limit, JsonWriter *json);

/* All of them as CSV (with a header line, RFC 4180) or NDJSON; holds references of both. */
void members_stream(Snapshot *snapshot, Ranking *ranking, MembersFormat format,
                    const char *audience, Response *response);

/* The place of a cursor: false when it is of another ranking. */
bool members_read_place(const Ranking *ranking, const char *place, uint32_t *first);
