#include "framing.h"

#include <string.h>

#include "base/error.h"

/* Headers that mean something else when there are two of them. */
static const char *const SINGLE[] = {"Host",         "Content-Length", "Transfer-Encoding",
                                     "Content-Type", "Authorization",  "If-Match",
                                     "Expect",       "Idempotency-Key"};

static bool refuse(GError **error, const char *why)
{
    error_set(error, ERR_MALFORMED, "%s", why);
    return false;
}

/* RFC 9110, 5.6.2 */
static bool is_token_char(char c)
{
    return g_ascii_isalnum(c) || c == '-' || (c != '\0' && strchr("!#$%&'*+.^_`|~", c));
}

static bool is_token(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!is_token_char(text[i]))
            return false;
    return length > 0;
}

static bool is_field_value(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if ((c < ' ' && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static bool is_host(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!g_ascii_isalnum(text[i]) && (text[i] == '\0' || !strchr(".:-_[]%~", text[i])))
            return false;
    return true;
}

static bool line_is(const HeaderLine *line, const char *name)
{
    return strlen(name) == line->name_length &&
           g_ascii_strncasecmp(line->name, name, line->name_length) == 0;
}

static const HeaderLine *find_line(const RequestHead *head, const char *name)
{
    for (size_t i = 0; i < head->n_lines; i++)
        if (line_is(&head->lines[i], name))
            return &head->lines[i];
    return NULL;
}

const char *framing_find(const RequestHead *head, const char *name)
{
    const HeaderLine *line = find_line(head, name);
    return line ? line->value : NULL;
}

static bool only_blanks(const char *begin, const char *end)
{
    for (; begin < end; begin++)
        if (*begin != ' ' && *begin != '\t')
            return false;
    return true;
}

bool framing_check_layout(const RequestHead *head, GError **error)
{
    const char *method_end = head->method + strlen(head->method);
    const char *target_end = head->target + head->target_length;
    if (head->target != method_end + 1 || head->version != target_end + 1)
        return refuse(error, "the request line must be method, target and version, one blank "
                             "between them");
    const char *end = head->version + strlen(head->version);
    for (size_t i = 0; i < head->n_lines; i++) {
        const HeaderLine *line = &head->lines[i];
        const char *colon = line->name + line->name_length;
        if (line->name != end + 2 || line->value <= colon || !only_blanks(colon + 1, line->value))
            return refuse(error, "a header line must end with CRLF, and hold no NUL and no fold");
        end = line->value + line->value_length;
    }
    if ((size_t)(end - head->method) + 4 != head->bytes)
        return refuse(error, "the header block must end with CRLF CRLF, and hold no NUL");
    return true;
}

static bool check_single(const RequestHead *head, GError **error)
{
    unsigned seen = 0;
    for (size_t i = 0; i < head->n_lines; i++) {
        for (size_t j = 0; j < G_N_ELEMENTS(SINGLE); j++) {
            if (!line_is(&head->lines[i], SINGLE[j]))
                continue;
            if (seen & (1U << j)) {
                error_set(error, ERR_MALFORMED, "header %s must come once", SINGLE[j]);
                return false;
            }
            seen |= 1U << j;
        }
    }
    return true;
}

static bool check_host(const RequestHead *head, GError **error)
{
    const HeaderLine *host = find_line(head, "Host");
    if (!host && strcmp(head->version, "HTTP/1.1") == 0)
        return refuse(error, "HTTP/1.1 needs a Host header");
    if (host && !is_host(host->value, host->value_length))
        return refuse(error, "the Host header must be a name and an optional port");
    return true;
}

static bool read_length(const HeaderLine *line, uint64_t *length)
{
    if (line->value_length == 0 || line->value_length > 18)
        return false;
    uint64_t sum = 0;
    for (size_t i = 0; i < line->value_length; i++) {
        if (!g_ascii_isdigit(line->value[i]))
            return false;
        sum = sum * 10 + (uint64_t)(line->value[i] - '0');
    }
    *length = sum;
    return true;
}

static bool check_body(const RequestHead *head, Framing *framing, GError **error)
{
    const HeaderLine *length = find_line(head, "Content-Length");
    const HeaderLine *coding = find_line(head, "Transfer-Encoding");
    if (length && coding)
        return refuse(error, "Content-Length and Transfer-Encoding exclude each other");
    if (length && !read_length(length, &framing->content_length))
        return refuse(error, "Content-Length must be a decimal number");
    if (coding && strcmp(head->version, "HTTP/1.1") != 0)
        return refuse(error, "Transfer-Encoding needs HTTP/1.1");
    if (coding && g_ascii_strcasecmp(coding->value, "chunked") != 0)
        return refuse(error, "the only Transfer-Encoding here is chunked");
    framing->chunked = coding != NULL;
    framing->has_body = framing->chunked || framing->content_length > 0;
    const char *expect = framing_find(head, "Expect");
    framing->expects_continue = expect && g_ascii_strcasecmp(expect, "100-continue") == 0;
    return true;
}

bool framing_check_headers(const RequestHead *head, Framing *framing, GError **error)
{
    *framing = (Framing){0};
    if (strcmp(head->version, "HTTP/1.1") != 0 && strcmp(head->version, "HTTP/1.0") != 0)
        return refuse(error, "the version must be HTTP/1.1 or HTTP/1.0");
    if (!is_token(head->method, strlen(head->method)))
        return refuse(error, "the method must be a token");
    for (size_t i = 0; i < head->n_lines; i++) {
        const HeaderLine *line = &head->lines[i];
        if (!is_token(line->name, line->name_length))
            return refuse(error, "a header name must be a token, with the colon next to it");
        if (!is_field_value(line->value, line->value_length))
            return refuse(error, "a header value holds a control character");
    }
    return check_single(head, error) && check_host(head, error) && check_body(head, framing, error);
}
