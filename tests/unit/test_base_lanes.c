/* base/lanes answers as a loop over the bytes would. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/lanes.h"

#define LENGTH_MAX 12

/* What a loop finds in the first eight bytes. */
typedef struct Found {
    bool beyond_ascii, below, equal;
} Found;

static Found look_at_each(const unsigned char *bytes, size_t length)
{
    Found found = {0};
    for (size_t i = 0; i < length && i < LANES; i++) {
        found.beyond_ascii |= bytes[i] >= 0x80;
        found.below |= bytes[i] < ' ';
        found.equal |= bytes[i] == '"';
    }
    return found;
}

static void expect_the_same(const unsigned char *bytes, size_t length)
{
    Found found = look_at_each(bytes, length);
    uint64_t lanes = lanes_load((const char *)bytes, length);
    if ((lanes_beyond_ascii(lanes) != 0) != found.beyond_ascii ||
        (lanes_below(lanes, ' ') != 0) != found.below ||
        (lanes_equal(lanes, '"') != 0) != found.equal)
        fail_msg("%zu bytes, 0x%02x the first, 0x%02x the last", length, bytes[0],
                 bytes[length - 1]);
}

static void every_byte_is_seen_at_every_place(void **state)
{
    for (size_t length = 1; length <= LENGTH_MAX; length++)
        for (size_t at = 0; at < length; at++)
            for (unsigned value = 0; value < 256; value++) {
                unsigned char bytes[LENGTH_MAX];
                memset(bytes, 'x', sizeof bytes);
                bytes[at] = (unsigned char)value;
                expect_the_same(bytes, length);
            }
}

/* A borrow from one lane must not make up an answer when its neighbour is the cause of none. */
static void neighbours_do_not_mislead(void **state)
{
    for (unsigned left = 0; left < 256; left++)
        for (unsigned right = 0; right < 256; right++) {
            unsigned char bytes[] = {'x', 'x', 'x', (unsigned char)left, (unsigned char)right,
                                     'x', 'x', 'x'};
            expect_the_same(bytes, sizeof bytes);
        }
}

static void nothing_is_plain(void **state)
{
    uint64_t lanes = lanes_load(NULL, 0);
    assert_int_equal(lanes_beyond_ascii(lanes) | lanes_below(lanes, ' ') | lanes_equal(lanes, '"'),
                     0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_is_seen_at_every_place),
        cmocka_unit_test(neighbours_do_not_mislead),
        cmocka_unit_test(nothing_is_plain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
