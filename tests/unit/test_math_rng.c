#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "math/rng.h"

/* From the authors' own xoshiro256starstar.c with this state: the published generator, not ours. */
static void the_sequence_is_that_of_xoshiro256starstar(void **state)
{
    const uint64_t expected[] = {11520,
                                 0,
                                 1509978240,
                                 UINT64_C(1215971899390074240),
                                 UINT64_C(1216172134540287360),
                                 UINT64_C(607988272756665600),
                                 UINT64_C(16172922978634559625),
                                 UINT64_C(8476171486693032832),
                                 UINT64_C(10595114339597558777),
                                 UINT64_C(2904607092377533576)};
    Rng rng = {{1, 2, 3, 4}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        assert_true(rng_next(&rng) == expected[i]);
}

static void a_seed_and_stream_repeat_and_others_differ(void **state)
{
    Rng a, b, other_stream, other_seed;
    rng_init(&a, 1, 0);
    rng_init(&b, 1, 0);
    rng_init(&other_stream, 1, 1);
    rng_init(&other_seed, 2, 0);
    for (int i = 0; i < 100; i++) {
        uint64_t drawn = rng_next(&a);
        assert_true(drawn == rng_next(&b));
        assert_true(drawn != rng_next(&other_stream));
        assert_true(drawn != rng_next(&other_seed));
    }
}

/* 100,000 draws: the mean of a uniform has a standard error of 0.0009, that of a normal 0.0032.
 * Five standard errors keep the test silent unless the generator is wrong. */
static void moments_are_those_of_the_distributions(void **state)
{
    enum { N = 100000 };
    Rng rng;
    rng_init(&rng, 3, 0);
    double uniform = 0, normal = 0, square = 0, fourth = 0;
    for (int i = 0; i < N; i++) {
        double u = rng_uniform(&rng);
        assert_true(u >= 0 && u < 1);
        double z = rng_normal(&rng);
        assert_true(isfinite(z));
        uniform += u / N;
        normal += z / N;
        square += z * z / N;
        fourth += z * z * z * z / N;
    }
    assert_float_equal(uniform, 0.5, 0.0046);
    assert_float_equal(normal, 0, 0.016);
    assert_float_equal(square, 1, 0.023);
    assert_float_equal(fourth, 3, 0.16);
}

static void below_reaches_every_number_equally_often(void **state)
{
    enum { LIMIT = 7, N = 70000 };
    unsigned count[LIMIT] = {0};
    Rng rng;
    rng_init(&rng, 4, 0);
    for (int i = 0; i < N; i++) {
        uint32_t drawn = rng_below(&rng, LIMIT);
        assert_true(drawn < LIMIT);
        count[drawn]++;
    }
    /* Each count has a standard deviation of 93. */
    for (int i = 0; i < LIMIT; i++)
        assert_in_range(count[i], N / LIMIT - 465, N / LIMIT + 465);
    assert_int_equal(rng_below(&rng, 1), 0);
}

/* 3·2³⁰: without rejection the numbers of one third would come twice as often. */
static void below_is_unbiased_for_large_limits(void **state)
{
    enum { N = 30000 };
    const uint32_t limit = UINT32_C(3) << 30;
    unsigned thirds[3] = {0}, divisible = 0;
    Rng rng;
    rng_init(&rng, 5, 0);
    for (int i = 0; i < N; i++) {
        uint32_t drawn = rng_below(&rng, limit);
        thirds[drawn >> 30]++;
        divisible += drawn % 3 == 0;
    }
    for (int i = 0; i < 3; i++)
        assert_in_range(thirds[i], N / 3 - 410, N / 3 + 410);
    assert_in_range(divisible, N / 3 - 410, N / 3 + 410);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sequence_is_that_of_xoshiro256starstar),
        cmocka_unit_test(a_seed_and_stream_repeat_and_others_differ),
        cmocka_unit_test(moments_are_those_of_the_distributions),
        cmocka_unit_test(below_reaches_every_number_equally_often),
        cmocka_unit_test(below_is_unbiased_for_large_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
