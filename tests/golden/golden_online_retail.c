/* The learners on real data, by an exact protocol, so that figures can be compared with those of
 * others: UCI Online Retail (D. Chen, S. Sain, K. Guo, 2012; CC BY 4.0), order lines as CSV.
 *
 *     xz -dc order_lines.csv.xz | golden_online_retail [-]      or     golden_online_retail FILE
 *
 * Kept are lines with a customer, an invoice that does not start with C, a quantity and a price
 * above 0 and a stock code of five digits and capital letters; rows are merged to (user, order,
 * product). The holdout is [2011-11-10, + 30 days). "any": users known before it who bought a known
 * product in it; "new": a known product they had never bought, their history left out of the lists.
 *
 * Ends with status 1 when a count of the protocol differs at all, or an NDCG falls below its mark
 * by more than another seed or another order of equal scores can explain (0.006). */
#include <stdio.h>

#include <glib.h>

#include "base/clock.h"
#include "base/error.h"
#include "data/dataset.h"
#include "data/split.h"
#include "learn/evaluate.h"
#include "learn/learner.h"
#include "order_lines.h"

#define TEST_FROM "2011-11-10"
#define WINDOW    (30 * US_PER_DAY)
#define TOLERANCE 0.006

static Dataset *load(FILE *file)
{
    g_auto(Rows) rows = {0};
    order_lines_read(file, false, &rows);
    return rows_build(&rows, &(RowsUse){.until = INT64_MAX, .has_order = true});
}

/* What the protocol's table says of a window. */
typedef struct Counts {
    const char *from;
    uint32_t users, items;
    uint64_t rows, pairs;
    uint32_t orders, any_users, new_users;
    uint64_t any_pairs, new_pairs;
} Counts;

static const Counts PROTOCOL[] = {
    {"2011-10-11", 3738, 3544, 275621, 199047, 13673, 1106, 1025, 34345, 21081},
    {TEST_FROM, 4082, 3622, 324836, 232010, 15733, 1374, 1264, 45197, 25639},
};

/* NDCG@10 to reach. */
static const struct Mark {
    const char *learner;
    double any, new_only;
} MARKS[] = {
    {"popularity", .147, .095},
    {"repeat", .349, .044},
    {"als", .340, .101},
};

typedef struct Window {
    Dataset *view;
    Scope *scope;
    Csr *targets;
} Window;

static Window window_open(const Dataset *raw, const char *from_text)
{
    g_autoptr(GError) error = NULL;
    Window window = {0};
    int64_t from = moment_of_text(from_text);
    window.view = dataset_before(raw, from, &error);
    window.scope = window.view ? scope_new(window.view, from, &error) : NULL;
    window.targets = window.scope ? window_targets(raw, from, from + WINDOW, &error) : NULL;
    if (!window.targets)
        golden_fail("window", error);
    return window;
}

static void window_close(Window *window)
{
    dataset_unref(window->view);
    scope_free(window->scope);
    csr_free(window->targets);
}

static Evaluation *judge(const Fitted *fitted, const Window *window, bool only_new)
{
    g_autoptr(GError) error = NULL;
    EvaluateOptions options = {.k = 10, .only_new = only_new, .seed = 1, .resamples = 1000};
    Evaluation *evaluation =
        evaluate(fitted, window->view, window->scope, window->targets, &options, &error);
    if (!evaluation)
        golden_fail("evaluate", error);
    return evaluation;
}

static Fitted *fit(const Learner *learner, const Window *window)
{
    g_autoptr(GError) error = NULL;
    FitContext context = {.as_of = window->scope->anchor, .seed = 1};
    Fitted *fitted = learner->fit(window->view, &context, &error);
    if (!fitted)
        golden_fail(learner->name, error);
    return fitted;
}

static uint32_t count_orders(const Dataset *view)
{
    g_autoptr(GHashTable) orders = g_hash_table_new(g_direct_hash, g_direct_equal);
    for (uint64_t r = 0; r < view->rows.n; r++)
        g_hash_table_add(orders, GSIZE_TO_POINTER((size_t)view->rows.order[r] + 1));
    return g_hash_table_size(orders);
}

static bool same(const char *what, const char *from, uint64_t got, uint64_t expected)
{
    if (got == expected)
        return true;
    printf("before %s: %s %" G_GUINT64_FORMAT ", the protocol says %" G_GUINT64_FORMAT "\n", from,
           what, got, expected);
    return false;
}

static bool check_counts(const Dataset *raw, const Counts *expected)
{
    Window window = window_open(raw, expected->from);
    g_autoptr(Csr) pairs = decayed_counts(window.view, window.scope->anchor, 0, NULL);
    g_autoptr(Fitted) fitted = fit(learners_find("popularity"), &window);
    g_autoptr(Evaluation) any = judge(fitted, &window, false);
    g_autoptr(Evaluation) only_new = judge(fitted, &window, true);
    const char *from = expected->from;
    bool good = same("users", from, window.scope->n_users, expected->users);
    good &= same("products", from, window.scope->n_items, expected->items);
    good &= same("rows", from, window.view->rows.n, expected->rows);
    good &= same("pairs", from, pairs->start[pairs->rows], expected->pairs);
    good &= same("orders", from, count_orders(window.view), expected->orders);
    good &= same("evaluated, any", from, any->n_users, expected->any_users);
    good &= same("evaluated, new", from, only_new->n_users, expected->new_users);
    good &= same("relevant pairs, any", from, any->n_pairs, expected->any_pairs);
    good &= same("relevant pairs, new", from, only_new->n_pairs, expected->new_pairs);
    printf("before %s: %s\n", from, good ? "all counts as in the protocol" : "counts differ");
    window_close(&window);
    return good;
}

static bool report_learner(const struct Mark *mark, const Window *window)
{
    int64_t started = clock_ticks_ns();
    g_autoptr(Fitted) fitted = fit(learners_find(mark->learner), window);
    double seconds = (double)(clock_ticks_ns() - started) / 1e9;
    g_autoptr(Evaluation) any = judge(fitted, window, false);
    g_autoptr(Evaluation) only_new = judge(fitted, window, true);
    bool good = any->ndcg_ci.mean >= mark->any - TOLERANCE &&
                only_new->ndcg_ci.mean >= mark->new_only - TOLERANCE;
    printf("%-11s %.3f [%.3f, %.3f] %.3f  %.3f [%.3f, %.3f] %.3f   %.3f   %.3f  %6.2f  %s\n",
           mark->learner, any->ndcg_ci.mean, any->ndcg_ci.low, any->ndcg_ci.high, mark->any,
           only_new->ndcg_ci.mean, only_new->ndcg_ci.low, only_new->ndcg_ci.high, mark->new_only,
           any->recall_min_ci.mean, any->coverage, seconds, good ? "reached" : "MISSED");
    return good;
}

int main(int argc, char **argv)
{
    error_init();
    FILE *file = input_open(argc > 1 ? argv[1] : NULL);
    if (!file)
        golden_fail(argv[1], NULL);
    g_autoptr(Dataset) raw = load(file);
    input_close(file);
    bool good = true;
    for (size_t i = 0; i < G_N_ELEMENTS(PROTOCOL); i++)
        good &= check_counts(raw, &PROTOCOL[i]);

    Window window = window_open(raw, TEST_FROM);
    printf("\nNDCG@10     any                  mark   new                  mark   rec_min cover.  "
           "fit s\n");
    for (size_t i = 0; i < G_N_ELEMENTS(MARKS); i++)
        good &= report_learner(&MARKS[i], &window);
    window_close(&window);
    return good ? 0 : 1;
}
