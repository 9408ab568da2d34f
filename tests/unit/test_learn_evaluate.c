#include "learn_shop.h"

#include "base/buffer.h"
#include "base/json.h"
#include "learn/evaluate.h"

/* A learner whose scores the test writes down. */
typedef struct Told {
    Fitted fitted;
    const float *scores; /* n_users × n_items */
} Told;

static bool told_score_users(const Fitted *fitted, const uint32_t *users, uint32_t n, float *tile,
                             GError **error)
{
    const Told *told = (const Told *)fitted;
    for (uint32_t u = 0; u < n; u++)
        memcpy(tile + (size_t)u * fitted->n_items,
               told->scores + (size_t)users[u] * fitted->n_items, fitted->n_items * sizeof(float));
    return true;
}

static const Learner TOLD = {.name = "told", .is_personal = true, .score_users = told_score_users};

/* A shop as of a day, and what was bought after it. */
typedef struct Exam {
    Dataset *raw, *view;
    Scope *scope;
    Csr *targets;
} Exam;

static Exam exam_new(Dataset *raw, double from, double to)
{
    Exam exam = {.raw = raw};
    exam.view = dataset_before(raw, day(from), NULL);
    exam.scope = scope_new(exam.view, day(from), NULL);
    exam.targets = window_targets(raw, day(from), day(to), NULL);
    assert_true(exam.view && exam.scope && exam.targets);
    return exam;
}

static void exam_clear(Exam *exam)
{
    dataset_unref(exam->raw);
    dataset_unref(exam->view);
    scope_free(exam->scope);
    csr_free(exam->targets);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Exam, exam_clear)

static Evaluation *mark(const Exam *exam, const float *scores, const EvaluateOptions *options)
{
    Told told = {{&TOLD, exam->view->n_users, exam->view->n_items}, scores};
    g_autoptr(GError) error = NULL;
    Evaluation *evaluation =
        evaluate(&told.fitted, exam->view, exam->scope, exam->targets, options, &error);
    if (!evaluation)
        fail_msg("%s", error->message);
    return evaluation;
}

#define DCG(rank) (1 / log2((rank) + 1))

/* Items 0 to 5; 5 is bought by nobody before day 10 (not predictable). User 0 bought 0 and 1, then
 * 1, 2, 3 and 5; user 1 bought 0 and 2, then nothing; user 2 bought 3 and 4, then 4; user 3 only
 * later. */
static Exam hand_made(void)
{
    static const Bought bought[] = {{0, 0, 1},  {0, 1, 9},  {1, 2, 3},  {2, 3, 4},  {2, 4, 5},
                                    {0, 1, 11}, {0, 2, 12}, {0, 3, 13}, {0, 5, 14}, {2, 4, 12},
                                    {3, 1, 15}, {0, 4, 30}, {1, 0, 2}};
    return exam_new(shop_new(4, 6, bought, G_N_ELEMENTS(bought)), 10, 20);
}

static const float HAND_SCORES[] = {5, 4, 3, 1, 2, 9,  /* lists 0 1 2 */
                                    1, 1, 1, 1, 1, 1,  /**/
                                    7, 7, 7, 7, 7, 7,  /* ties: lists 0 1 2 */
                                    1, 2, 3, 4, 5, 6}; /* user 3 is not known before */

static void metrics_are_those_of_the_papers(void **state)
{
    g_auto(Exam) exam = hand_made();
    EvaluateOptions options = {.k = 3, .seed = 1, .resamples = 100};
    g_autoptr(Evaluation) got = mark(&exam, HAND_SCORES, &options);
    assert_int_equal(got->n_users, 2);
    assert_int_equal(got->user[0], 0);
    assert_int_equal(got->user[1], 2);
    assert_int_equal(got->n_pairs, 4); /* 1, 2, 3 of user 0; 4 of user 2; 5 is not predictable */

    /* user 0: hits at ranks 2 and 3 of 3 relevant */
    assert_float_equal(got->ndcg[0], (DCG(2) + DCG(3)) / (DCG(1) + DCG(2) + DCG(3)), 1e-6);
    assert_float_equal(got->recall[0], 2.0 / 3, 1e-6);
    assert_float_equal(got->recall_min[0], 2.0 / 3, 1e-6);
    assert_float_equal(got->precision[0], 2.0 / 3, 1e-6);
    assert_float_equal(got->map[0], (1.0 / 2 + 2.0 / 3) / 3, 1e-6);
    assert_float_equal(got->hit[0], 1, 0);
    assert_float_equal(got->ndcg[1], 0, 0);
    assert_float_equal(got->hit[1], 0, 0);
    assert_float_equal(got->recall_ci.mean, 1.0 / 3, 1e-6);
    assert_float_equal(got->coverage, 3.0 / 5, 1e-6);
    assert_float_equal(got->repeat_share, 2.0 / 6, 1e-6); /* 0 and 1 of user 0 */
    /* listed twice each: 0 (two buyers), 1, 2; relevant: 1, 2, 3, 4 of one buyer each */
    assert_float_equal(got->popularity_bias, (4.0 / 3) / 1, 1e-6);
    assert_float_equal(got->fallback_share, 0, 0);
}

static void recall_min_divides_by_what_a_list_can_hold(void **state)
{
    g_auto(Exam) exam = hand_made();
    EvaluateOptions options = {.k = 2, .seed = 1, .resamples = 10};
    const float scores[24] = {0, 3, 2, 1, 0, 0};
    g_autoptr(Evaluation) got = mark(&exam, scores, &options);
    assert_float_equal(got->recall[0], 2.0 / 3, 1e-6);
    assert_float_equal(got->recall_min[0], 1, 1e-6);
    assert_float_equal(got->ndcg[0], 1, 1e-6);
    assert_float_equal(got->map[0], 1, 1e-6);
    assert_float_equal(got->fallback_share, 0.5, 1e-6); /* user 2 scores 0 everywhere */
}

static void new_only_leaves_the_history_out(void **state)
{
    g_auto(Exam) exam = hand_made();
    EvaluateOptions options = {.k = 3, .only_new = true, .seed = 1, .resamples = 10};
    g_autoptr(Evaluation) got = mark(&exam, HAND_SCORES, &options);
    assert_int_equal(got->n_users, 1); /* user 2 bought nothing new */
    assert_int_equal(got->n_pairs, 2);
    /* list of user 0: 2 4 3 */
    assert_float_equal(got->ndcg[0], (DCG(1) + DCG(3)) / (DCG(1) + DCG(2)), 1e-6);
    assert_float_equal(got->repeat_share, 0, 0);
}

static void purchased_items_leave_the_list_by_the_rules(void **state) /* F15 */
{
    g_auto(Exam) exam = hand_made();
    const struct {
        ListRules rules;
        double recall; /* of user 0, relevant 1 2 3 */
    } cases[] = {
        {{PURCHASED_ALLOW, 0}, 1.0 / 3},          /* 0 1 */
        {{PURCHASED_EXCLUDE, 0}, 1.0 / 3},        /* 2 4 */
        {{PURCHASED_EXCLUDE_WITHIN, 2}, 1.0 / 3}, /* 0 2: only 1 is that recent */
        {{PURCHASED_EXCLUDE_WITHIN, 30}, 1.0 / 3},
    };
    const double repeats[] = {1 - 2.0 / 4, 0, 0.25, 0};
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        EvaluateOptions options = {.k = 2, .rules = cases[i].rules, .seed = 1, .resamples = 10};
        g_autoptr(Evaluation) got = mark(&exam, HAND_SCORES, &options);
        assert_int_equal(got->n_users, 2);
        assert_float_equal(got->recall[0], cases[i].recall, 1e-6);
        assert_float_equal(got->repeat_share, repeats[i], 1e-6);
    }
}

static void nobody_to_judge_by_is_no_error(void **state)
{
    const Bought bought[] = {{0, 0, 1}, {1, 0, 12}};
    g_auto(Exam) exam = exam_new(shop_new(2, 1, bought, 2), 10, 20);
    const float scores[2] = {1, 1};
    EvaluateOptions options = {.k = 10, .seed = 1, .resamples = 10};
    g_autoptr(Evaluation) got = mark(&exam, scores, &options);
    assert_int_equal(got->n_users, 0);
    assert_true(isnan(got->ndcg_ci.mean));
}

/* NDCG and recall of one user by sorting all items. */
typedef struct Plain {
    double ndcg, recall;
} Plain;

static bool comes_before(const float *scores, uint32_t a, uint32_t b)
{
    return scores[a] > scores[b] || (scores[a] == scores[b] && a < b);
}

static Plain plain_user(const Exam *exam, const float *scores, uint32_t user, unsigned k)
{
    Plain plain = {0, 0};
    double ideal = 0;
    uint32_t n_relevant = 0;
    for (uint32_t item = 0; item < exam->view->n_items; item++) {
        if (!exam->scope->item[item] || csr_get(exam->targets, user, item) == 0)
            continue;
        uint32_t rank = 1;
        for (uint32_t other = 0; other < exam->view->n_items; other++)
            rank += exam->scope->item[other] && comes_before(scores, other, item);
        n_relevant++;
        ideal += n_relevant <= k ? DCG(n_relevant) : 0;
        plain.ndcg += rank <= k ? DCG(rank) : 0;
        plain.recall += rank <= k;
    }
    plain.ndcg = n_relevant ? plain.ndcg / ideal : NAN;
    plain.recall /= n_relevant;
    return plain;
}

static Exam random_exam(uint32_t n_users, uint32_t n_items, size_t n)
{
    g_autofree Bought *bought = random_purchases(n, n_users, n_items, 100, 31);
    return exam_new(shop_new(n_users, n_items, bought, n), 70, 100);
}

static float *random_scores(uint32_t n, uint32_t levels)
{
    float *scores = g_new(float, n);
    Rng rng;
    rng_init(&rng, 3, 3);
    for (uint32_t i = 0; i < n; i++)
        scores[i] = (float)rng_below(&rng, levels); /* few levels: many ties */
    return scores;
}

static void evaluation_is_the_plain_one_on_any_number_of_threads(void **state)
{
    g_auto(Exam) exam = random_exam(700, 130, 5000);
    g_autofree float *scores = random_scores(700 * 130, 40);
    for (unsigned threads = 1; threads <= 3; threads++) {
        EvaluateOptions options = {.k = 10, .seed = 1, .resamples = 50, .threads = threads};
        g_autoptr(Evaluation) got = mark(&exam, scores, &options);
        assert_true(got->n_users > 500);
        for (uint32_t at = 0; at < got->n_users; at++) {
            Plain plain =
                plain_user(&exam, scores + (size_t)got->user[at] * 130, got->user[at], 10);
            assert_float_equal(got->ndcg[at], plain.ndcg, 1e-5);
            assert_float_equal(got->recall[at], plain.recall, 1e-5);
        }
    }
}

static void a_sample_of_users_is_the_same_for_every_learner(void **state)
{
    g_auto(Exam) exam = random_exam(700, 130, 5000);
    g_autofree float *scores = random_scores(700 * 130, 40);
    g_autofree float *others = random_scores(700 * 130, 7);
    EvaluateOptions options = {.k = 10, .max_users = 100, .seed = 9, .resamples = 10};
    g_autoptr(Evaluation) a = mark(&exam, scores, &options);
    g_autoptr(Evaluation) b = mark(&exam, others, &options);
    assert_int_equal(a->n_users, 100);
    assert_true(a->n_candidates > 500);
    assert_memory_equal(a->user, b->user, 100 * sizeof(uint32_t));
    for (uint32_t at = 1; at < 100; at++)
        assert_true(a->user[at] > a->user[at - 1]);
    options.seed = 10;
    g_autoptr(Evaluation) c = mark(&exam, scores, &options);
    assert_true(memcmp(a->user, c->user, 100 * sizeof(uint32_t)) != 0);
}

static void evaluation_stops_when_cancelled(void **state)
{
    g_auto(Exam) exam = hand_made();
    Cancel cancel;
    cancel_init(&cancel);
    cancel_raise(&cancel);
    EvaluateOptions options = {.k = 3, .resamples = 10, .cancel = &cancel};
    Told told = {{&TOLD, exam.view->n_users, exam.view->n_items}, HAND_SCORES};
    g_autoptr(GError) error = NULL;
    g_autoptr(Evaluation) got =
        evaluate(&told.fitted, exam.view, exam.scope, exam.targets, &options, &error);
    assert_null(got);
    assert_int_equal(error_code(error), ERR_CANCELLED);
}

static void an_evaluation_is_written_as_json(void **state)
{
    g_auto(Exam) exam = hand_made();
    EvaluateOptions options = {.k = 3, .seed = 1, .resamples = 100};
    g_autoptr(Evaluation) got = mark(&exam, HAND_SCORES, &options);
    g_auto(Buffer) buffer;
    buffer_init(&buffer);
    JsonWriter writer;
    json_writer_init(&writer, &buffer);
    evaluation_write(got, &writer);
    g_autoptr(cJSON) json = json_parse(buffer.data, buffer.length, NULL);
    assert_non_null(json);
    assert_float_equal(json_member_number(json, "users", -1), 2, 0);
    assert_float_equal(json_member_number(json, "coverage", -1), 0.6, 1e-5);
    const char *intervals[] = {"ndcg", "recall", "recall_min", "precision", "map", "hit_rate"};
    for (size_t i = 0; i < G_N_ELEMENTS(intervals); i++) {
        const cJSON *interval = json_member(json, intervals[i]);
        double mean = json_member_number(interval, "mean", -1);
        assert_true(json_member_number(interval, "low", 2) <= mean);
        assert_true(json_member_number(interval, "high", -2) >= mean);
    }
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics_are_those_of_the_papers),
        cmocka_unit_test(recall_min_divides_by_what_a_list_can_hold),
        cmocka_unit_test(new_only_leaves_the_history_out),
        cmocka_unit_test(purchased_items_leave_the_list_by_the_rules),
        cmocka_unit_test(nobody_to_judge_by_is_no_error),
        cmocka_unit_test(evaluation_is_the_plain_one_on_any_number_of_threads),
        cmocka_unit_test(a_sample_of_users_is_the_same_for_every_learner),
        cmocka_unit_test(evaluation_stops_when_cancelled),
        cmocka_unit_test(an_evaluation_is_written_as_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
