#include "search.h"

#include <string.h>

#include "base/error.h"
#include "math/rng.h"

#define RIVALS_MAX  12u
#define RIVALS_MIN  4u
/* Of the search of one learner: whole fits by the usual parameters, */
#define FITS_MAX    8.0
/* and nanoseconds by its formula. */
#define WORK_MAX    2e10
/* One setting may take a quarter of that, or of this where the usual ones take next to nothing. */
#define WORK_SMALL  5e9
#define DRAWS_MAX   200u
#define RESAMPLES   1000u
/* Fewer users tell nothing, and smaller gains are not worth a change. */
#define USERS_MIN   100u
#define GAIN_MIN    0.01
#define DRAW_STREAM 0x73656172u

/* What the rivals go through: those left do so much of a fit, judged by so many users. */
static const struct {
    double share, effort;
    uint32_t users;
} RUNGS[] = {{1, 0.25, 1000}, {0.5, 0.5, 2500}, {0.25, 1, UINT32_MAX}};

/* One setting. */
typedef struct Rival {
    double value[PARAMS_MAX];
    Fitted *fitted;
    Evaluation *any, *only_new; /* by the rules; over products new to the user */
    bool is_out;
} Rival;

typedef struct Contest {
    const SearchOptions *options;
    const Learner *learner;
    ListRules rules;
    Rival rival[RIVALS_MAX]; /* the usual one first */
    unsigned n;
} Contest;

static void rival_drop(Rival *rival)
{
    g_clear_pointer(&rival->fitted, fitted_free);
    g_clear_pointer(&rival->any, evaluation_free);
    g_clear_pointer(&rival->only_new, evaluation_free);
    rival->is_out = true;
}

static void contest_clear(Contest *contest)
{
    for (unsigned r = 0; r < contest->n; r++)
        rival_drop(&contest->rival[r]);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Contest, contest_clear)

static unsigned left_at(unsigned n, size_t rung)
{
    return MAX(2, (unsigned)(n * RUNGS[rung].share));
}

/* Of fitting one setting on a rung, when it is there from the rung before. */
static double rung_work(const Contest *contest, const double *value, size_t rung)
{
    const Learner *learner = contest->learner;
    const Dataset *view = contest->options->view;
    const SignalWeights *signals = contest->options->signals;
    double work = learner->fit_work(view, signals, value, RUNGS[rung].effort);
    double before = rung > 0 ? learner->fit_work(view, signals, value, RUNGS[rung - 1].effort) : 0;
    return work > before && !learner->goes_on ? work : work - before;
}

static void usual_values(const Learner *learner, double *value)
{
    for (size_t p = 0; p < learner->n_params; p++)
        value[p] = learner->param[p].usual;
}

/* Of a whole fit by the usual parameters. */
static double usual_work(const Contest *contest)
{
    double usual[PARAMS_MAX];
    usual_values(contest->learner, usual);
    return contest->learner->fit_work(contest->options->view, contest->options->signals, usual, 1);
}

/* How many settings the budget has room for, were each like the usual one; 0: too few to search. */
static unsigned affordable(const Contest *contest)
{
    double usual[PARAMS_MAX];
    usual_values(contest->learner, usual);
    double whole = usual_work(contest);
    for (unsigned n = RIVALS_MAX; n >= RIVALS_MIN; n--) {
        double work = 0;
        for (size_t rung = 0; rung < G_N_ELEMENTS(RUNGS); rung++)
            work += left_at(n, rung) * rung_work(contest, usual, rung);
        if (work <= MIN(FITS_MAX * whole, WORK_MAX))
            return n;
    }
    return 0;
}

/* A few settings take many times what the usual one does. */
static bool is_too_dear(const Contest *contest, const double *value)
{
    double whole = usual_work(contest);
    double budget = MAX(MIN(FITS_MAX * whole, WORK_MAX), WORK_SMALL);
    return rung_work(contest, value, 0) > MAX(budget / 4, whole);
}

/* The first parameter matters most: any of its values. Of the others, the usual one as often as
 * not. */
static void draw_values(const Learner *learner, Rng *rng, double *value)
{
    for (size_t p = 0; p < learner->n_params; p++) {
        const Param *param = &learner->param[p];
        uint32_t all = (uint32_t)param->n_values, others = p == 0 ? 1 : all;
        uint32_t drawn = rng_below(rng, all + others);
        value[p] = drawn < all ? param->value[drawn] : param->usual;
    }
}

static bool is_known(const Contest *contest, const double *value)
{
    size_t size = contest->learner->n_params * sizeof *value;
    for (unsigned r = 0; r < contest->n; r++) {
        if (memcmp(contest->rival[r].value, value, size) == 0)
            return true;
    }
    return false;
}

static void draw_rivals(Contest *contest, unsigned n)
{
    Rng rng;
    rng_init(&rng, contest->options->seed ^ DRAW_STREAM, g_str_hash(contest->learner->name));
    usual_values(contest->learner, contest->rival[0].value);
    contest->n = 1;
    for (unsigned draw = 0; draw < DRAWS_MAX && contest->n < n; draw++) {
        double value[PARAMS_MAX];
        draw_values(contest->learner, &rng, value);
        if (!is_known(contest, value) && !is_too_dear(contest, value))
            memcpy(contest->rival[contest->n++].value, value, sizeof value);
    }
}

static Fitted *fit_rival(const Contest *contest, const Rival *rival, double effort, GError **error)
{
    const SearchOptions *options = contest->options;
    g_autoptr(Params) params = params_new();
    params_set(params, contest->learner, rival->value);
    FitContext context = {.as_of = options->scope->anchor,
                          .seed = options->seed,
                          .threads = options->threads,
                          .cancel = options->cancel,
                          .raw = options->raw,
                          .horizon = options->horizon,
                          .signals = options->signals,
                          .params = params,
                          .effort = effort,
                          .warm = contest->learner->goes_on ? rival->fitted : NULL};
    return contest->learner->fit(options->view, &context, error);
}

/* What is asked of a rival. */
typedef struct Question {
    ListRules rules;
    bool only_new;
    uint32_t users;
} Question;

static Evaluation *judge_rival(const Contest *contest, const Rival *rival, Question question,
                               GError **error)
{
    const SearchOptions *options = contest->options;
    EvaluateOptions how = {.k = options->k,
                           .max_users = MIN(question.users, options->max_users),
                           .only_new = question.only_new,
                           .rules = question.rules,
                           .seed = options->seed,
                           .resamples = 1,
                           .threads = options->threads,
                           .cancel = options->cancel};
    return evaluate(rival->fitted, options->view, options->scope, options->targets, &how, error);
}

/* Judged by the rules that suit the usual setting. */
static bool find_rules(Contest *contest, GError **error)
{
    const ListRules excluded = {PURCHASED_EXCLUDE, 0};
    const uint32_t users = RUNGS[0].users;
    Rival *usual = &contest->rival[0];
    contest->rules = contest->options->rules;
    if (!contest->options->purchased_auto)
        return true;
    g_autoptr(Evaluation) with =
        judge_rival(contest, usual, (Question){contest->rules, false, users}, error);
    g_autoptr(Evaluation) without =
        with ? judge_rival(contest, usual, (Question){excluded, false, users}, error) : NULL;
    if (without && with->n_users > 0 && with->ndcg_ci.mean <= without->ndcg_ci.mean)
        contest->rules = excluded;
    return without != NULL;
}

/* Drops the rival when the data cannot teach it. */
static bool fit_to(const Contest *contest, Rival *rival, size_t rung, GError **error)
{
    if (rival->fitted && rung_work(contest, rival->value, rung) <= 0)
        return true; /* it is whole */
    g_autoptr(GError) failure = NULL;
    Fitted *fitted = fit_rival(contest, rival, RUNGS[rung].effort, &failure);
    if (!fitted && error_code(failure) != ERR_INVALID) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return false;
    }
    g_clear_pointer(&rival->fitted, fitted_free);
    rival->fitted = fitted;
    if (!fitted)
        rival_drop(rival);
    return true;
}

static bool climb(Contest *contest, Rival *rival, size_t rung, GError **error)
{
    if (!fit_to(contest, rival, rung, error))
        return false;
    if (rival->is_out)
        return true;
    if (rival == contest->rival && rung == 0 && !find_rules(contest, error))
        return false;
    g_clear_pointer(&rival->any, evaluation_free);
    g_clear_pointer(&rival->only_new, evaluation_free);
    Question any = {contest->rules, false, RUNGS[rung].users};
    Question only_new = {contest->rules, true, RUNGS[rung].users};
    return (rival->any = judge_rival(contest, rival, any, error)) &&
           (rival->only_new = judge_rival(contest, rival, only_new, error));
}

/* Old and new products count alike: a ranker has the old ones from elsewhere. */
static double ndcg(const Rival *rival)
{
    double only_new = rival->only_new->n_users > 0 ? rival->only_new->ndcg_ci.mean : 0;
    return rival->any->ndcg_ci.mean + only_new;
}

/* The usual setting is never the one. NULL when it is alone. */
static Rival *worst(Contest *contest)
{
    Rival *found = NULL;
    for (unsigned r = 1; r < contest->n; r++) {
        Rival *rival = &contest->rival[r];
        if (!rival->is_out && (!found || ndcg(rival) <= ndcg(found)))
            found = rival;
    }
    return found;
}

static unsigned n_left(const Contest *contest)
{
    unsigned n = 0;
    for (unsigned r = 0; r < contest->n; r++)
        n += !contest->rival[r].is_out;
    return n;
}

static bool run_rung(Contest *contest, size_t rung, GError **error)
{
    for (unsigned r = 0; r < contest->n; r++) {
        Rival *rival = &contest->rival[r];
        if (!rival->is_out && !climb(contest, rival, rung, error))
            return false;
        if (r == 0 && (rival->is_out || rival->any->n_users < USERS_MIN))
            return true; /* nothing to compare with */
    }
    unsigned wanted = rung + 1 < G_N_ELEMENTS(RUNGS) ? left_at(contest->n, rung + 1) : 2;
    while (n_left(contest) > wanted)
        rival_drop(worst(contest));
    return true;
}

static Interval gain(const Contest *contest, const Evaluation *best, const Evaluation *usual)
{
    return stats_bootstrap_paired(best->ndcg, usual->ndcg, usual->n_users, RESAMPLES,
                                  contest->options->seed);
}

static bool is_gain(const Interval *gain, const Evaluation *usual)
{
    return gain->low > 0 && gain->mean > GAIN_MIN * usual->ndcg_ci.mean;
}

/* With the usual setting only the best of the others is left. */
static const char *weigh(Contest *contest, Found *found)
{
    const Rival *usual = &contest->rival[0], *best = worst(contest);
    if (!best)
        return "not searched: no other setting can be fitted";
    found->tried = contest->n;
    found->any = gain(contest, best->any, usual->any);
    found->only_new =
        usual->only_new->n_users > 0 ? gain(contest, best->only_new, usual->only_new) : found->any;
    bool is_better = (is_gain(&found->any, usual->any) && found->only_new.mean >= 0) ||
                     (is_gain(&found->only_new, usual->only_new) && found->any.mean >= 0);
    if (!is_better)
        return "no other setting is measurably better than the usual one";
    memcpy(found->value, best->value, sizeof found->value);
    found->is_usual = false;
    return "measurably better than the usual setting on the validation window";
}

bool search_learner(const SearchOptions *options, Found *found, GError **error)
{
    g_auto(Contest) contest = {.options = options, .learner = found->learner};
    unsigned n = affordable(&contest);
    if (n == 0) {
        found->reason = "not searched: on this much data it would take too long";
        return true;
    }
    draw_rivals(&contest, n);
    for (size_t rung = 0; rung < G_N_ELEMENTS(RUNGS); rung++) {
        if (!run_rung(&contest, rung, error))
            return false;
        const Rival *usual = &contest.rival[0];
        if (usual->is_out || usual->any->n_users < USERS_MIN) {
            found->reason = usual->is_out ? "not searched: it cannot learn from this data"
                                          : "not searched: too few users to judge by";
            return true;
        }
    }
    found->reason = weigh(&contest, found);
    return true;
}

Search *search_run(const SearchOptions *options, GError **error)
{
    g_autoptr(Search) search = g_new(Search, 1);
    search->params = params_new();
    search->found = g_array_new(FALSE, FALSE, sizeof(Found));
    size_t n;
    const Learner *const *learners = learners_all(&n);
    for (size_t l = 0; l < n; l++) {
        if (!learners[l]->fit_work)
            continue;
        Found found = {.learner = learners[l], .is_usual = true};
        usual_values(learners[l], found.value);
        if (!search_learner(options, &found, error))
            return NULL;
        if (!found.is_usual)
            params_set(search->params, found.learner, found.value);
        g_array_append_val(search->found, found);
    }
    return g_steal_pointer(&search);
}

void search_free(Search *search)
{
    if (!search)
        return;
    params_free(search->params);
    g_array_unref(search->found);
    g_free(search);
}

static void write_found(const Found *found, JsonWriter *writer)
{
    json_begin_object(writer);
    json_key(writer, "learner");
    json_string(writer, found->learner->name);
    json_key(writer, "tried");
    json_uint(writer, found->tried);
    json_key(writer, "parameters");
    json_begin_object(writer);
    for (size_t p = 0; p < found->learner->n_params; p++) {
        json_key(writer, found->learner->param[p].name);
        json_number(writer, found->value[p]);
    }
    json_end_object(writer);
    json_key(writer, "usual");
    json_bool(writer, found->is_usual);
    json_key(writer, "gain");
    if (found->tried > 0) {
        json_begin_object(writer);
        json_key(writer, "any");
        interval_write(&found->any, writer);
        json_key(writer, "new");
        interval_write(&found->only_new, writer);
        json_end_object(writer);
    } else {
        json_null(writer);
    }
    json_key(writer, "reason");
    json_string(writer, found->reason);
    json_end_object(writer);
}

void search_write(const Search *search, JsonWriter *writer)
{
    json_begin_array(writer);
    for (guint f = 0; search && f < search->found->len; f++)
        write_found(&g_array_index(search->found, Found, f), writer);
    json_end_array(writer);
}
