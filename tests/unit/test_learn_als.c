#include "learn_shop.h"

#include "learn/als.h"
#include "math/csr.h"

static const SolveParams SOLVE = {
    .confidence = 4, .regularization = 0.2f, .exponent = 0.5f, .steps = 3};

static Csr *random_weights(uint32_t rows, uint32_t cols, size_t n, uint64_t seed)
{
    g_autofree uint32_t *row = g_new(uint32_t, n);
    g_autofree uint32_t *col = g_new(uint32_t, n);
    g_autofree float *value = g_new(float, n);
    Rng rng;
    rng_init(&rng, seed, 0);
    for (size_t i = 0; i < n; i++) {
        row[i] = (uint32_t)(rows * pow(rng_uniform(&rng), 3));
        col[i] = rng_below(&rng, cols);
        value[i] = (float)(0.1 + rng_uniform(&rng));
    }
    return csr_from_triples(rows, cols, n, row, col, value, NULL);
}

static Factors *random_factors(uint32_t rows, uint32_t rank, uint64_t seed)
{
    Factors *factors = factors_new(rows, rank, NULL);
    Rng rng;
    rng_init(&rng, seed, 1);
    for (size_t i = 0; i < (size_t)rows * rank; i++)
        factors->data[i] = 0.3f * rng_normal(&rng);
    return factors;
}

/* One row's problem A·x = b in double, with nothing shared or blocked. */
typedef struct Problem {
    uint32_t rank;
    double *a, *b;
} Problem;

static Problem problem_new(const Csr *weights, uint32_t row, const Factors *other,
                           const SolveParams *params)
{
    uint32_t rank = other->rank;
    Problem p = {rank, g_new0(double, (size_t)rank *rank), g_new0(double, rank)};
    double sum = 0;
    for (uint32_t c = 0; c < weights->cols; c++) {
        const float *y = other->data + (size_t)c * rank;
        double w = params->confidence * csr_get(weights, row, c);
        sum += w > 0 ? 1 + w : 0;
        for (uint32_t i = 0; i < rank; i++) {
            p.b[i] += (1 + w) * sqrt(w / params->confidence) * y[i];
            for (uint32_t j = 0; j < rank; j++)
                p.a[i * rank + j] += (1 + w) * y[i] * y[j];
        }
    }
    for (uint32_t i = 0; i < rank; i++)
        p.a[i * rank + i] += params->regularization * pow(sum, params->exponent);
    return p;
}

static void problem_clear(Problem *problem)
{
    g_free(problem->a);
    g_free(problem->b);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Problem, problem_clear)

static void multiply(const Problem *problem, const double *x, double *out)
{
    for (uint32_t i = 0; i < problem->rank; i++) {
        out[i] = 0;
        for (uint32_t j = 0; j < problem->rank; j++)
            out[i] += problem->a[i * problem->rank + j] * x[j];
    }
}

/* The textbook conjugate gradients, from x. */
static void plain_gradients(const Problem *problem, unsigned steps, double *x)
{
    double r[64], p[64], ap[64], norm = 0;
    multiply(problem, x, ap);
    for (uint32_t i = 0; i < problem->rank; i++) {
        p[i] = r[i] = problem->b[i] - ap[i];
        norm += r[i] * r[i];
    }
    for (unsigned step = 0; step < steps; step++) {
        double curvature = 0, next = 0;
        multiply(problem, p, ap);
        for (uint32_t i = 0; i < problem->rank; i++)
            curvature += p[i] * ap[i];
        for (uint32_t i = 0; i < problem->rank; i++) {
            x[i] += norm / curvature * p[i];
            r[i] -= norm / curvature * ap[i];
            next += r[i] * r[i];
        }
        for (uint32_t i = 0; i < problem->rank; i++)
            p[i] = r[i] + next / norm * p[i];
        norm = next;
    }
}

static Factors *sweep_once(const Csr *weights, const Factors *other, const Factors *start,
                           const SolveParams *params, unsigned threads)
{
    Factors *own = factors_new(weights->rows, other->rank, NULL);
    memcpy(own->data, start->data, (size_t)weights->rows * other->rank * sizeof(float));
    g_autoptr(SweepPlan) plan = sweep_plan_new(weights, other->rank, NULL);
    assert_true(half_sweep(plan, params, other, own, threads, NULL, NULL));
    return own;
}

static void a_half_sweep_is_the_plain_conjugate_gradient(void **state)
{
    for (uint32_t rank = 16; rank <= 48; rank += 16) {
        g_autoptr(Csr) weights = random_weights(150, 70, 1500, rank);
        g_autoptr(Factors) other = random_factors(70, rank, 1);
        g_autoptr(Factors) start = random_factors(150, rank, 2);
        g_autoptr(Factors) own = sweep_once(weights, other, start, &SOLVE, 2);
        for (uint32_t row = 0; row < 150; row++) {
            g_auto(Problem) problem = problem_new(weights, row, other, &SOLVE);
            double x[64];
            for (uint32_t i = 0; i < rank; i++)
                x[i] = start->data[row * rank + i];
            if (weights->start[row] < weights->start[row + 1])
                plain_gradients(&problem, SOLVE.steps, x);
            for (uint32_t i = 0; i < rank; i++)
                assert_float_equal(own->data[row * rank + i], x[i], 1e-3);
        }
    }
}

static void many_steps_solve_the_normal_equations(void **state)
{
    SolveParams params = SOLVE;
    params.steps = 60;
    g_autoptr(Csr) weights = random_weights(80, 50, 900, 4);
    g_autoptr(Factors) other = random_factors(50, 16, 5);
    g_autoptr(Factors) zero = factors_new(80, 16, NULL);
    g_autoptr(Factors) own = sweep_once(weights, other, zero, &params, 1);
    for (uint32_t row = 0; row < 80; row++) {
        g_auto(Problem) problem = problem_new(weights, row, other, &params);
        double x[16], product[16];
        for (uint32_t i = 0; i < 16; i++)
            x[i] = own->data[row * 16 + i];
        multiply(&problem, x, product);
        for (uint32_t i = 0; i < 16 && weights->start[row] < weights->start[row + 1]; i++)
            assert_float_equal(product[i], problem.b[i], 2e-3);
    }
}

static void a_row_longer_than_the_buffer_is_solved_as_well(void **state)
{
    const uint32_t n = 20001; /* cells; the buffer holds 8,192 of rank 16 */
    g_autofree uint32_t *row = g_new0(uint32_t, n);
    g_autofree uint32_t *col = g_new(uint32_t, n);
    g_autofree float *value = g_new(float, n);
    for (uint32_t i = 0; i < n; i++) {
        row[i] = i % 20 == 7 ? 2 : 0;
        col[i] = i;
        value[i] = 1 + (float)(i % 3);
    }
    g_autoptr(Csr) weights = csr_from_triples(3, n, n, row, col, value, NULL);
    g_autoptr(Factors) other = random_factors(n, 16, 8);
    g_autoptr(Factors) zero = factors_new(3, 16, NULL);
    SolveParams params = SOLVE;
    params.steps = 40;
    g_autoptr(Factors) own = sweep_once(weights, other, zero, &params, 2);
    for (uint32_t r = 0; r < 3; r += 2) {
        g_auto(Problem) problem = problem_new(weights, r, other, &params);
        double x[16], product[16];
        for (uint32_t i = 0; i < 16; i++)
            x[i] = own->data[r * 16 + i];
        multiply(&problem, x, product);
        for (uint32_t i = 0; i < 16; i++)
            assert_float_equal(product[i], problem.b[i], 0.05 + 1e-4 * fabs(problem.b[i]));
    }
    for (uint32_t i = 0; i < 16; i++)
        assert_true(own->data[16 + i] == 0); /* a row without cells stays where it was */
}

static void gram_is_the_sum_of_outer_products(void **state)
{
    g_autoptr(Factors) factors = random_factors(333, 32, 6);
    float gram[32 * 32];
    assert_true(factors_gram(factors, gram, 2, NULL, NULL));
    for (uint32_t i = 0; i < 32; i++) {
        for (uint32_t j = 0; j < 32; j++) {
            double sum = 0;
            for (uint32_t r = 0; r < 333; r++)
                sum += (double)factors->data[r * 32 + i] * factors->data[r * 32 + j];
            assert_float_equal(gram[i * 32 + j], sum, 1e-3);
        }
    }
}

static void numbers_that_are_not_finite_are_seen(void **state)
{
    g_autoptr(Factors) factors = random_factors(7, 16, 6);
    assert_true(factors_are_finite(factors));
    factors->data[6 * 16 + 15] = NAN;
    assert_false(factors_are_finite(factors));
    factors->data[6 * 16 + 15] = -INFINITY;
    assert_false(factors_are_finite(factors));
}

/* Users and items of four tastes; a user buys only from the own one. */
static Bought *planted(size_t n, uint32_t n_users, uint32_t n_items)
{
    Bought *bought = g_new(Bought, n);
    Rng rng;
    rng_init(&rng, 11, 0);
    for (size_t i = 0; i < n; i++) {
        uint32_t user = rng_below(&rng, n_users);
        uint32_t item = rng_below(&rng, n_items / 4) * 4 + user % 4;
        bought[i] = (Bought){user, item, 100 * rng_uniform(&rng)};
    }
    return bought;
}

static void als_finds_planted_tastes(void **state)
{
    g_autofree Bought *bought = planted(3000, 200, 80);
    g_autoptr(Dataset) shop = shop_new(200, 80, bought, 3000);
    g_autoptr(Fitted) fitted = fit_shop("als", shop, 100, 0);
    g_autofree float *scores = all_scores(fitted);
    size_t n_new = 0, right = 0;
    for (uint32_t user = 0; user < 200; user++) {
        bool owned[80] = {false};
        for (size_t i = 0; i < 3000; i++)
            owned[bought[i].item] |= bought[i].user == user;
        uint32_t best = UINT32_MAX;
        for (uint32_t item = 0; item < 80; item++) {
            if (!owned[item] &&
                (best == UINT32_MAX || scores[user * 80 + item] > scores[user * 80 + best]))
                best = item;
        }
        n_new++;
        right += best % 4 == user % 4;
    }
    assert_true(right >= n_new * 95 / 100);
    expect_finite_scores(fitted);
    expect_items_as_users(fitted);
}

static void als_repeats_with_its_seed_on_any_number_of_threads(void **state)
{
    g_autofree Bought *bought = random_purchases(6000, 400, 150, 200, 21);
    g_autoptr(Dataset) shop = shop_new(400, 150, bought, 6000);
    g_autoptr(Fitted) one = fit_shop("als", shop, 200, 1);
    g_autofree float *expected = all_scores(one);
    for (unsigned threads = 1; threads <= 4; threads++) {
        g_autoptr(Fitted) fitted = fit_shop("als", shop, 200, threads);
        g_autofree float *scores = all_scores(fitted);
        assert_memory_equal(scores, expected, 400 * 150 * sizeof(float));
    }
    FitContext other_seed = {.as_of = day(200), .seed = 6, .threads = 1};
    g_autoptr(Fitted) other = learner_als.fit(shop, &other_seed, NULL);
    g_autofree float *scores = all_scores(other);
    assert_true(memcmp(scores, expected, 400 * 150 * sizeof(float)) != 0);
}

static void items_never_bought_score_nothing(void **state)
{
    const Bought bought[] = {{0, 0, 1}, {0, 2, 1}, {1, 0, 2}};
    g_autoptr(Dataset) shop = shop_new(3, 4, bought, G_N_ELEMENTS(bought));
    g_autoptr(Fitted) fitted = fit_shop("als", shop, 3, 1);
    g_autofree float *scores = all_scores(fitted);
    for (uint32_t user = 0; user < 3; user++)
        assert_true(scores[user * 4 + 1] == 0 && scores[user * 4 + 3] == 0);
    for (uint32_t item = 0; item < 4; item++)
        assert_true(scores[2 * 4 + item] == 0); /* and so does a user without a purchase */
    assert_true(scores[0] > 0);
}

static void als_survives_its_file(void **state)
{
    g_autofree Bought *bought = random_purchases(500, 20, 40, 100, 3);
    g_autoptr(Dataset) shop = shop_new(20, 40, bought, 500);
    g_autoptr(Fitted) fitted = fit_shop("als", shop, 100, 1);
    expect_round_trip(fitted);
    expect_misfits_refused(fitted);
}

static void write_als(const char *path, uint32_t rank, const float *users, const float *items)
{
    g_autoptr(SectionsWriter) writer = sections_writer_new(path, NULL);
    assert_true(sections_write(writer, "learner.rank", &rank, sizeof rank, 1, NULL));
    assert_true(sections_write(writer, "learner.users", users, sizeof(float), 32, NULL));
    assert_true(sections_write(writer, "learner.items", items, sizeof(float), 48, NULL));
    assert_true(sections_finish(writer, NULL));
}

static void als_scores_stay_finite_whatever_the_file_holds(void **state)
{
    const float bad[] = {NAN, INFINITY, -INFINITY, 3e38f};
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        float users[32], items[48];
        for (size_t f = 0; f < 48; f++)
            users[f % 32] = items[f] = f % 7 ? bad[i] : 1;
        g_auto(TestFile) file = test_file_new();
        write_als(file.path, 16, users, items);
        g_autoptr(Sections) sections = sections_open(file.path, NULL);
        g_autoptr(Fitted) fitted = learner_als.load(sections, 2, 3, NULL);
        assert_non_null(fitted);
        expect_finite_scores(fitted);
    }
}

static void als_refuses_a_rank_that_does_not_fit(void **state)
{
    const uint32_t ranks[] = {0, 1, 15, 32, 528, UINT32_MAX};
    float zero[48] = {0};
    for (size_t i = 0; i < G_N_ELEMENTS(ranks); i++) {
        g_auto(TestFile) file = test_file_new();
        write_als(file.path, ranks[i], zero, zero);
        g_autoptr(Sections) sections = sections_open(file.path, NULL);
        expect_damaged(&learner_als, sections, 2, 3);
    }
}

static ErrorCode code_of_factorising(const Csr *weights, const Cancel *cancel)
{
    g_autoptr(GError) error = NULL;
    FitContext context = {.seed = 1, .threads = 2, .cancel = cancel};
    Factors *users, *items;
    assert_false(als_factorise(weights, &als_defaults, &context, &users, &items, &error));
    return error_code(error);
}

static void als_refuses_what_it_cannot_solve(void **state)
{
    g_autoptr(Csr) empty = csr_from_triples(3, 3, 0, NULL, NULL, NULL, NULL);
    assert_int_equal(code_of_factorising(empty, NULL), ERR_INVALID);
    g_autoptr(Csr) huge = random_weights(30, 30, 300, 1);
    for (uint64_t e = 0; e < huge->start[30]; e++)
        huge->value[e] = 3e38f;
    assert_int_equal(code_of_factorising(huge, NULL), ERR_INVALID);
}

static void als_stops_when_cancelled(void **state)
{
    g_autoptr(Csr) weights = random_weights(300, 300, 3000, 1);
    Cancel cancel;
    cancel_init(&cancel);
    cancel_raise(&cancel);
    assert_int_equal(code_of_factorising(weights, &cancel), ERR_CANCELLED);
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_half_sweep_is_the_plain_conjugate_gradient),
        cmocka_unit_test(many_steps_solve_the_normal_equations),
        cmocka_unit_test(a_row_longer_than_the_buffer_is_solved_as_well),
        cmocka_unit_test(gram_is_the_sum_of_outer_products),
        cmocka_unit_test(numbers_that_are_not_finite_are_seen),
        cmocka_unit_test(als_finds_planted_tastes),
        cmocka_unit_test(als_repeats_with_its_seed_on_any_number_of_threads),
        cmocka_unit_test(items_never_bought_score_nothing),
        cmocka_unit_test(als_survives_its_file),
        cmocka_unit_test(als_scores_stay_finite_whatever_the_file_holds),
        cmocka_unit_test(als_refuses_a_rank_that_does_not_fit),
        cmocka_unit_test(als_refuses_what_it_cannot_solve),
        cmocka_unit_test(als_stops_when_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
