#include "revision.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

char *revision_tag(int64_t revision, uint32_t version, char tag[REVISION_TAG_MAX])
{
    if (version)
        g_snprintf(tag, REVISION_TAG_MAX, "%" G_GINT64_FORMAT ".%u", revision, version);
    else
        g_snprintf(tag, REVISION_TAG_MAX, "%" G_GINT64_FORMAT, revision);
    return tag;
}

/* One strong tag, "3" or "3.7" in quotes. */
static bool tag_matches(const char *tag, int64_t revision)
{
    size_t length = strlen(tag);
    if (length < 3 || tag[0] != '"' || tag[length - 1] != '"' || !g_ascii_isdigit(tag[1]))
        return false;
    char *end = NULL;
    int64_t named = g_ascii_strtoll(tag + 1, &end, 10);
    if (*end == '.')
        end += 1 + strspn(end + 1, "0123456789");
    return end == tag + length - 1 && named == revision;
}

bool revision_matches(const char *if_match, int64_t revision)
{
    g_auto(GStrv) tags = g_strsplit(if_match, ",", 100);
    for (size_t i = 0; tags[i]; i++) {
        const char *tag = g_strstrip(tags[i]);
        if (strcmp(tag, "*") == 0 || tag_matches(tag, revision))
            return true;
    }
    return false;
}

bool revision_check(const Request *request, int64_t revision, GError **error)
{
    const char *if_match = request_header(request, "If-Match");
    if (!if_match) {
        error_set(error, ERR_PRECONDITION_REQUIRED,
                  "a change needs If-Match with the ETag that was read, or *");
        return false;
    }
    if (revision_matches(if_match, revision))
        return true;
    error_set(error, ERR_PRECONDITION_FAILED,
              "it has changed meanwhile: its revision is %" G_GINT64_FORMAT, revision);
    return false;
}
