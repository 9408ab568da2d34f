#include "framing.h"

#include <string.h>

#include "base/error.h"
#include "base/lanes.h"

// clang-format off
#define NAME(text) {text, sizeof text - 1}
static const struct {
    const char *name;
    size_t length;
} SINGLE[HEADERS_SINGLE] = {
    [HEADER_HOST]              = NAME("Host"),
    [HEADER_CONTENT_LENGTH]    = NAME("Content-Length"),
    [HEADER_TRANSFER_ENCODING] = NAME("Transfer-Encoding"),
    [HEADER_CONTENT_TYPE]      = NAME("Content-Type"),
    [HEADER_AUTHORIZATION]     = NAME("Authorization"),
    [HEADER_IF_MATCH]          = NAME("If-Match"),
    [HEADER_EXPECT]            = NAME("Expect"),
    [HEADER_IDEMPOTENCY_KEY]   = NAME("Idempotency-Key"),
};
#undef NAME

/* What a byte may stand in: a token (RFC 9110, 5.6.2), a Host header. */
enum { TOKEN = 1, HOST = 2, BOTH = TOKEN | HOST };
static const uint8_t CLASS[256] = {
    ['0' ... '9'] = BOTH, ['A' ... 'Z'] = BOTH, ['a' ... 'z'] = BOTH,
    ['-'] = BOTH, ['.'] = BOTH, ['_'] = BOTH, ['%'] = BOTH, ['~'] = BOTH,
    ['!'] = TOKEN, ['#'] = TOKEN, ['$'] = TOKEN, ['&'] = TOKEN, ['\''] = TOKEN, ['*'] = TOKEN,
    ['+'] = TOKEN, ['^'] = TOKEN, ['`'] = TOKEN, ['|'] = TOKEN,
    [':'] = HOST, ['['] = HOST, [']'] = HOST,
};
// clang-format on

static bool refuse(GError **error, const char *why)
{
    error_set(error, ERR_MALFORMED, "%s", why);
    return false;
}

static bool is_all(uint8_t class, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!(CLASS[(unsigned char)text[i]] & class))
            return false;
    return true;
}

static bool is_token(const char *text, size_t length)
{
    return length > 0 && is_all(TOKEN, text, length);
}

static bool is_field_byte(unsigned char c)
{
    return (c >= ' ' || c == '\t') && c != 0x7f;
}

static bool is_field_value(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        uint64_t lanes = lanes_load(text + i, length - i);
        if (!(lanes_below(lanes, ' ') | lanes_equal(lanes, 0x7f)))
            i += LANES - 1;
        else if (!is_field_byte((unsigned char)text[i]))
            return false;
    }
    return true;
}

/* Most clients write names as the standards do. */
static bool line_is(const HeaderLine *line, const char *name, size_t length)
{
    return line->name_length == length && (memcmp(line->name, name, length) == 0 ||
                                           g_ascii_strncasecmp(line->name, name, length) == 0);
}

const char *framing_find(const RequestHead *head, const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < head->n_lines; i++)
        if (line_is(&head->lines[i], name, length))
            return head->lines[i].value;
    return NULL;
}

const char *framing_single(const RequestHead *head, SingleHeader header)
{
    return head->single[header] ? head->single[header]->value : NULL;
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

static bool keep_single(RequestHead *head, const HeaderLine *line, GError **error)
{
    for (size_t i = 0; i < HEADERS_SINGLE; i++) {
        if (!line_is(line, SINGLE[i].name, SINGLE[i].length))
            continue;
        if (head->single[i]) {
            error_set(error, ERR_MALFORMED, "header %s must come once", SINGLE[i].name);
            return false;
        }
        head->single[i] = line;
        break;
    }
    return true;
}

static bool find_single(RequestHead *head, GError **error)
{
    memset(head->single, 0, sizeof head->single);
    for (size_t i = 0; i < head->n_lines; i++)
        if (!keep_single(head, &head->lines[i], error))
            return false;
    return true;
}

static bool check_host(const RequestHead *head, GError **error)
{
    const HeaderLine *host = head->single[HEADER_HOST];
    if (!host && strcmp(head->version, "HTTP/1.1") == 0)
        return refuse(error, "HTTP/1.1 needs a Host header");
    if (host && !is_all(HOST, host->value, host->value_length))
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
    const HeaderLine *length = head->single[HEADER_CONTENT_LENGTH];
    const HeaderLine *coding = head->single[HEADER_TRANSFER_ENCODING];
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
    const char *expect = framing_single(head, HEADER_EXPECT);
    framing->expects_continue = expect && g_ascii_strcasecmp(expect, "100-continue") == 0;
    return true;
}

bool framing_check_headers(RequestHead *head, Framing *framing, GError **error)
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
    return find_single(head, error) && check_host(head, error) && check_body(head, framing, error);
}
