#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <glib.h>

#include "jobs/peak.h"

#define MEGABYTE ((size_t)1 << 20)

/* Resident for a moment, past any allocator. */
static void touch(size_t bytes)
{
    char *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(pages, MAP_FAILED);
    memset(pages, 1, bytes);
    munmap(pages, bytes);
}

/* F7: each training has the peak of its own time, whatever ran before it or beside it. */
static void everybody_has_the_peak_of_his_own_time(void **state)
{
    if (access("/proc/self/clear_refs", W_OK) != 0)
        skip();
    Peak first, second;
    peak_begin(&first);
    touch(200 * MEGABYTE);
    peak_begin(&second);
    touch(50 * MEGABYTE);
    peak_end(&second);
    touch(20 * MEGABYTE);
    peak_end(&first);
    assert_true(first.most >= first.before + 190 * MEGABYTE);
    assert_true(second.most >= second.before + 45 * MEGABYTE);
    assert_true(second.most < second.before + 120 * MEGABYTE);
}

static void what_came_after_the_end_does_not_count(void **state)
{
    Peak peak;
    peak_begin(&peak);
    peak_end(&peak);
    uint64_t most = peak.most;
    assert_true(most >= peak.before && peak.before > MEGABYTE);
    touch(100 * MEGABYTE);
    Peak other;
    peak_begin(&other);
    peak_look(&other);
    assert_int_equal(peak.most, most);
    peak_end(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everybody_has_the_peak_of_his_own_time),
        cmocka_unit_test(what_came_after_the_end_does_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
