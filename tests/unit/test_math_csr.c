#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <glib.h>

#include "base/error.h"
#include "math/csr.h"
#include "math/rng.h"

#define N 5000

typedef struct Triples {
    uint32_t row[N], column[N];
    float value[N];
} Triples;

/* Whole numbers, so that sums are exact in any order. */
static void random_triples(Triples *triples, uint32_t rows, uint32_t cols)
{
    Rng rng;
    rng_init(&rng, 7, 0);
    for (size_t i = 0; i < N; i++) {
        triples->row[i] = rng_below(&rng, rows);
        triples->column[i] = rng_below(&rng, cols);
        triples->value[i] = (float)(1 + rng_below(&rng, 9));
    }
}

static void check_order(const Csr *csr)
{
    assert_int_equal(csr->start[0], 0);
    for (uint32_t row = 0; row < csr->rows; row++) {
        assert_true(csr->start[row] <= csr->start[row + 1]);
        for (uint64_t i = csr->start[row] + 1; i < csr->start[row + 1]; i++)
            assert_true(csr->column[i - 1] < csr->column[i]);
    }
}

static void triples_make_the_same_matrix_as_a_plain_table(void **state)
{
    enum { ROWS = 83, COLS = 47 };
    g_autofree Triples *triples = g_new(Triples, 1);
    float plain[ROWS][COLS] = {{0}};
    random_triples(triples, ROWS, COLS);
    for (size_t i = 0; i < N; i++)
        plain[triples->row[i]][triples->column[i]] += triples->value[i];
    g_autoptr(Csr) csr =
        csr_from_triples(ROWS, COLS, N, triples->row, triples->column, triples->value, NULL);
    g_autoptr(Csr) transposed = csr_transpose(csr, NULL);
    check_order(csr);
    check_order(transposed);
    assert_int_equal(transposed->rows, COLS);
    assert_int_equal(transposed->cols, ROWS);
    for (uint32_t row = 0; row < ROWS; row++) {
        for (uint32_t column = 0; column < COLS; column++) {
            assert_true(csr_get(csr, row, column) == plain[row][column]);
            assert_true(csr_get(transposed, column, row) == plain[row][column]);
        }
    }
}

static void equal_pairs_are_summed_in_double(void **state)
{
    /* In float, 1 + 1e-8 + … stays 1. */
    enum { MANY = 1000 };
    uint32_t zeros[MANY] = {0};
    float values[MANY];
    for (int i = 0; i < MANY; i++)
        values[i] = i ? 1e-8f : 1;
    g_autoptr(Csr) csr = csr_from_triples(1, 1, MANY, zeros, zeros, values, NULL);
    assert_int_equal(csr->start[1], 1);
    assert_float_equal(csr->value[0], 1.00000999f, 1e-7);
    assert_true(csr->value[0] > 1);
}

static void transposing_twice_gives_the_same_bytes(void **state)
{
    g_autofree Triples *triples = g_new(Triples, 1);
    random_triples(triples, 200, 300);
    g_autoptr(Csr) csr =
        csr_from_triples(200, 300, N, triples->row, triples->column, triples->value, NULL);
    g_autoptr(Csr) once = csr_transpose(csr, NULL);
    g_autoptr(Csr) twice = csr_transpose(once, NULL);
    uint64_t n = csr->start[200];
    assert_memory_equal(csr->start, twice->start, 201 * sizeof *csr->start);
    assert_memory_equal(csr->column, twice->column, n * sizeof *csr->column);
    assert_memory_equal(csr->value, twice->value, n * sizeof *csr->value);
}

static void a_sum_has_the_entries_of_both(void **state)
{
    enum { ROWS = 60, COLS = 90 };
    g_autofree Triples *triples = g_new(Triples, 1);
    random_triples(triples, ROWS, COLS);
    /* most rows of the first half stand in both, those of the second half in one of them */
    const uint64_t half = N / 2;
    g_autoptr(Csr) a =
        csr_from_triples(ROWS, COLS, half, triples->row, triples->column, triples->value, NULL);
    g_autoptr(Csr) b = csr_from_triples(ROWS, COLS, N - half, triples->row + half,
                                        triples->column + half, triples->value + half, NULL);
    g_autoptr(Csr) nothing = csr_from_triples(ROWS, COLS, 0, NULL, NULL, NULL, NULL);
    g_autoptr(Csr) sum = csr_add(a, 0.5, b, NULL);
    g_autoptr(Csr) same = csr_add(a, 3, nothing, NULL);
    g_autoptr(Csr) twice = csr_add(nothing, 2, a, NULL);
    check_order(sum);
    uint64_t n = 0, shared = 0;
    for (uint32_t row = 0; row < ROWS; row++) {
        for (uint32_t column = 0; column < COLS; column++) {
            float of_a = csr_get(a, row, column), of_b = csr_get(b, row, column);
            n += of_a > 0 || of_b > 0;
            shared += of_a > 0 && of_b > 0;
            assert_true(csr_get(sum, row, column) == of_a + of_b / 2);
            assert_true(csr_get(twice, row, column) == 2 * of_a);
        }
    }
    assert_true(shared > 0 && n > a->start[ROWS] && n == sum->start[ROWS]);
    assert_memory_equal(same->start, a->start, (ROWS + 1) * sizeof *a->start);
    assert_memory_equal(same->value, a->value, a->start[ROWS] * sizeof *a->value);
}

static void a_matrix_without_entries_rows_or_columns_is_one_too(void **state)
{
    const uint32_t shapes[][2] = {{0, 0}, {3, 0}, {0, 3}, {2, 2}};
    for (size_t i = 0; i < G_N_ELEMENTS(shapes); i++) {
        g_autoptr(Csr) csr =
            csr_from_triples(shapes[i][0], shapes[i][1], 0, NULL, NULL, NULL, NULL);
        g_autoptr(Csr) transposed = csr_transpose(csr, NULL);
        assert_int_equal(csr->start[csr->rows], 0);
        assert_int_equal(transposed->start[transposed->rows], 0);
        if (csr->rows > 0)
            assert_true(csr_get(csr, 1, 1) == 0);
    }
}

static void a_matrix_too_large_for_memory_is_an_error(void **state)
{
    g_autoptr(GError) error = NULL;
    assert_null(csr_from_triples(1, 1, UINT64_C(1) << 63, NULL, NULL, NULL, &error));
    assert_int_equal(error_code(error), ERR_NO_MEMORY);
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(triples_make_the_same_matrix_as_a_plain_table),
        cmocka_unit_test(equal_pairs_are_summed_in_double),
        cmocka_unit_test(transposing_twice_gives_the_same_bytes),
        cmocka_unit_test(a_sum_has_the_entries_of_both),
        cmocka_unit_test(a_matrix_without_entries_rows_or_columns_is_one_too),
        cmocka_unit_test(a_matrix_too_large_for_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
