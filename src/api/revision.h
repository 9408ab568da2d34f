/* Conditional requests on configuration: the ETag of a resource is its revision, and for one whose
 * answer also depends on what serves, revision.version. Changes look at the revision alone. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "http/request.h"

#define REVISION_TAG_MAX 48

/* Writes the tag without quotes: "3", or "3.7" when version is above 0; returns `tag`. */
char *revision_tag(int64_t revision, uint32_t version, char tag[REVISION_TAG_MAX]);

/* Whether the If-Match header allows a change of `revision`: ERR_PRECONDITION_REQUIRED without one,
 * ERR_PRECONDITION_FAILED when it names another. */
bool revision_check(const Request *request, int64_t revision, GError **error);

/* The same on the header's value. */
bool revision_matches(const char *if_match, int64_t revision);
