#include "quality_report.h"

#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/json.h"

/* Below that the interval of a mean says more of the few people than of the lists. */
#define USERS_MIN 100u
/* An A means that lists hit for at least one user in so many. */
#define HIT_MIN   0.1

static char *too_few(const QualityReport *report)
{
    return g_strdup_printf(
        "Only %u users bought a predictable product in the holdout window; at least %u are needed "
        "to tell whether the lists are good.",
        report->chosen->test_any->n_users, USERS_MIN);
}

static char *not_better(const QualityReport *report)
{
    const Evaluation *chosen = report->chosen->test_any;
    if (report->chosen == report->popularity)
        return g_strdup_printf("No learner found more than what is popular with everybody: NDCG@%u "
                               "%.3f over %u users.",
                               chosen->k, chosen->ndcg_ci.mean, chosen->n_users);
    return g_strdup_printf(
        "%s is not measurably better than popularity: NDCG@%u %.3f against %.3f, difference %.3f "
        "(95 %% interval %.3f to %.3f) over %u users.",
        report->chosen->learner->title, chosen->k, chosen->ndcg_ci.mean,
        report->popularity->test_any->ndcg_ci.mean, report->over_popularity.mean,
        report->over_popularity.low, report->over_popularity.high, chosen->n_users);
}

static char *better(const QualityReport *report, const char *addition)
{
    const Evaluation *chosen = report->chosen->test_any;
    return g_strdup_printf(
        "%s reaches NDCG@%u %.3f against %.3f of popularity (95 %% interval of the difference %.3f "
        "to %.3f) over %u users, %.0f %% of whom bought something from their list%s.",
        report->chosen->learner->title, chosen->k, chosen->ndcg_ci.mean,
        report->popularity->test_any->ndcg_ci.mean, report->over_popularity.low,
        report->over_popularity.high, chosen->n_users, 100 * chosen->hit_ci.mean, addition);
}

char quality_grade(const QualityReport *report, char **reason)
{
    if (!report->measured) {
        *reason = g_strdup_printf("Nothing could be measured: the data holds no holdout window in "
                                  "which known users bought known products. %s is used untested.",
                                  report->chosen->learner->title);
        return 'C';
    }
    const Evaluation *chosen = report->chosen->test_any;
    if (chosen->n_users < USERS_MIN) {
        *reason = too_few(report);
        return 'C';
    }
    if (report->chosen == report->popularity || !(report->over_popularity.low > 0)) {
        *reason = not_better(report);
        return 'C';
    }
    if (report->chosen->learner->is_baseline) {
        *reason = better(
            report, "; no learner beat this simple baseline measurably on both holdout windows");
        return 'B';
    }
    if (!(report->chosen->against.low > 0)) {
        *reason = better(report, "; as good as the best simple baseline, and measurably better at "
                                 "products new to the customer");
        return 'B';
    }
    if (!(chosen->hit_ci.mean >= HIT_MIN)) {
        *reason = better(report, ": better than every baseline, but few lists are hit");
        return 'B';
    }
    *reason = better(report, "; it beats every simple baseline");
    return 'A';
}

static const char *policy_name(PurchasedPolicy policy)
{
    static const char *const names[] = {
        [PURCHASED_ALLOW] = "allow",
        [PURCHASED_EXCLUDE] = "exclude",
        [PURCHASED_EXCLUDE_WITHIN] = "exclude_within",
    };
    return names[policy];
}

static void write_text(JsonWriter *writer, const char *name, const char *text)
{
    json_key(writer, name);
    json_string(writer, text);
}

static void write_time(JsonWriter *writer, const char *name, bool known, int64_t us)
{
    json_key(writer, name);
    if (known)
        json_time(writer, us);
    else
        json_null(writer);
}

static void write_bool(JsonWriter *writer, const char *name, bool value)
{
    json_key(writer, name);
    json_bool(writer, value);
}

static void write_count(JsonWriter *writer, const char *name, uint64_t count)
{
    json_key(writer, name);
    json_uint(writer, count);
}

static void write_windows(const QualityReport *report, JsonWriter *writer)
{
    const Windows *windows = report->windows;
    json_key(writer, "windows");
    json_begin_object(writer);
    write_time(writer, "learning_from", true, report->learning_from);
    write_time(writer, "validation_from", !windows->none && !report->only_test,
               windows->validation);
    write_time(writer, "test_from", !windows->none, windows->test);
    write_time(writer, "test_to", !windows->none, windows->end);
    write_bool(writer, "single", windows->single && !windows->none);
    write_bool(writer, "by_lot", windows->none && report->measured);
    json_end_object(writer);
}

static void write_users(const QualityReport *report, JsonWriter *writer)
{
    const Candidate *one = &report->candidates[0];
    json_key(writer, "evaluated_users");
    json_begin_object(writer);
    write_count(writer, "any", one->test_any ? one->test_any->n_users : 0);
    write_count(writer, "new", one->test_new ? one->test_new->n_users : 0);
    write_count(writer, "available_any", one->test_any ? one->test_any->n_candidates : 0);
    write_count(writer, "available_new", one->test_new ? one->test_new->n_candidates : 0);
    json_end_object(writer);
}

static void write_rules(const QualityReport *report, JsonWriter *writer)
{
    json_key(writer, "purchased_items");
    json_begin_object(writer);
    write_text(writer, "policy", policy_name(report->rules.purchased));
    if (report->rules.purchased == PURCHASED_EXCLUDE_WITHIN)
        write_count(writer, "days", report->rules.days);
    write_text(writer, "decided", report->options->purchased_auto ? "auto" : "configured");
    write_text(writer, "reason", report->rules_reason);
    json_end_object(writer);
}

static void write_evaluation(JsonWriter *writer, const char *name, const Evaluation *evaluation)
{
    json_key(writer, name);
    if (evaluation)
        evaluation_write(evaluation, writer);
    else
        json_null(writer);
}

static void write_against(const QualityReport *report, const Candidate *candidate,
                          JsonWriter *writer)
{
    json_key(writer, "against_best_baseline");
    if (!report->measured || candidate == report->best_baseline) {
        json_null(writer);
        return;
    }
    json_begin_object(writer);
    json_key(writer, "ndcg_difference");
    interval_write(&candidate->against, writer);
    write_bool(writer, "better", candidate->against.low > 0);
    json_end_object(writer);
}

static void write_candidate(const QualityReport *report, const Candidate *candidate,
                            JsonWriter *writer)
{
    json_begin_object(writer);
    write_text(writer, "learner", candidate->learner->name);
    write_text(writer, "title", candidate->learner->title);
    write_bool(writer, "baseline", candidate->learner->is_baseline);
    write_evaluation(writer, "validation", candidate->validation);
    json_key(writer, "test");
    json_begin_object(writer);
    write_evaluation(writer, "any", candidate->test_any);
    write_evaluation(writer, "new", candidate->test_new);
    json_end_object(writer);
    write_against(report, candidate, writer);
    json_end_object(writer);
}

char *quality_write(const QualityReport *report, char grade, const char *reason, GError **error)
{
    g_auto(Buffer) buffer;
    buffer_init(&buffer);
    JsonWriter writer;
    json_writer_init(&writer, &buffer);
    json_begin_object(&writer);
    write_count(&writer, "k", report->options->k);
    write_count(&writer, "horizon_days", report->options->horizon_days);
    write_windows(report, &writer);
    write_users(report, &writer);
    write_rules(report, &writer);
    write_text(&writer, "chosen", report->chosen->learner->name);
    write_text(&writer, "grade", (char[]){grade, '\0'});
    write_text(&writer, "reason", reason);
    json_key(&writer, "candidates");
    json_begin_array(&writer);
    for (size_t c = 0; c < report->n_candidates; c++) {
        if (!report->candidates[c].absent)
            write_candidate(report, &report->candidates[c], &writer);
    }
    json_end_array(&writer);
    json_key(&writer, "search");
    search_write(report->search, &writer);
    json_key(&writer, "calibration");
    if (report->calibration)
        json_raw(&writer, report->calibration, strlen(report->calibration));
    else
        json_null(&writer);
    json_end_object(&writer);
    if (buffer.failed) {
        error_set(error, ERR_NO_MEMORY, "no memory for the quality report");
        return NULL;
    }
    return g_strndup(buffer.data, buffer.length);
}
