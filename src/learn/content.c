#include "content.h"

#include <math.h>

#include "base/error.h"
#include "content_vectors.h"
#include "math/parallel.h"
#include "sparse_product.h"
#include "sparse_slots.h"
#include "strengths.h"

#define BLOCK          256u
#define HALF_LIFE_DAYS 60

const ContentParams content_defaults = {
    .product_tokens = 24,
    .profile_tokens = 200,
    .half_life_days = HALF_LIFE_DAYS,
};

/* Scratch of one thread. */
typedef struct Taste {
    float *sum;  /* of each token, all zero between users */
    Scored *met; /* those that are not, in the order they were met */
} Taste;

typedef struct Profiles {
    const Csr *strengths; /* users × products */
    const Csr *vectors;   /* products × tokens */
    Taste *taste;         /* threads */
    unsigned threads;
    SparseSlots *slots; /* users × tokens */
} Profiles;

static void profiles_clear(Profiles *profiles)
{
    for (unsigned t = 0; profiles->taste && t < profiles->threads; t++) {
        g_free(profiles->taste[t].sum);
        g_free(profiles->taste[t].met);
    }
    g_free(profiles->taste);
    sparse_slots_free(profiles->slots);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Profiles, profiles_clear)

static bool profiles_alloc(Profiles *profiles, uint32_t width, GError **error)
{
    uint32_t n_users = profiles->strengths->rows, n_tokens = profiles->vectors->cols;
    profiles->taste = g_new0(Taste, profiles->threads);
    for (unsigned t = 0; t < profiles->threads; t++) {
        Taste *taste = &profiles->taste[t];
        taste->sum = g_try_new0(float, n_tokens);
        taste->met = g_try_new(Scored, n_tokens);
        if (!taste->sum || !taste->met) {
            error_set(error, ERR_NO_MEMORY, "no memory for the tastes of %u users", n_users);
            return false;
        }
    }
    profiles->slots = sparse_slots_new(n_users, n_tokens, width, error);
    return profiles->slots;
}

/* Adds a product; how many tokens were met by now. */
static uint32_t add_product(const Csr *vectors, uint32_t item, float weight, uint32_t n,
                            Taste *taste)
{
    for (uint64_t e = vectors->start[item]; e < vectors->start[item + (size_t)1]; e++) {
        float *sum = &taste->sum[vectors->column[e]];
        if (*sum == 0)
            taste->met[n++].index = vectors->column[e];
        *sum += weight * vectors->value[e];
    }
    return n;
}

static void fill_profile(const Profiles *profiles, uint32_t user, Taste *taste)
{
    const Csr *strengths = profiles->strengths;
    uint32_t n = 0;
    for (uint64_t e = strengths->start[user]; e < strengths->start[user + (size_t)1]; e++) {
        float weight = sqrtf(strengths->value[e]);
        if (weight > 0) /* a small weight of an old event may be none */
            n = add_product(profiles->vectors, strengths->column[e], weight, n, taste);
    }
    for (uint32_t m = 0; m < n; m++) {
        taste->met[m].score = taste->sum[taste->met[m].index];
        taste->sum[taste->met[m].index] = 0;
    }
    n = content_strongest(taste->met, n, profiles->slots->width);
    sparse_slots_fill(profiles->slots, user, taste->met, n);
}

static bool fill_profiles(void *context, uint64_t begin, uint64_t end, unsigned worker,
                          GError **error)
{
    const Profiles *profiles = context;
    for (uint64_t user = begin; user < end; user++)
        fill_profile(profiles, (uint32_t)user, &profiles->taste[worker]);
    return true;
}

/* Fewer for very many users, so that the profiles stay within bounds. */
static uint32_t profile_width(const ContentParams *params, uint32_t n_users)
{
    return sparse_slots_width(n_users, params->profile_tokens);
}

static Csr *find_profiles(const Dataset *view, const Csr *vectors, const ContentParams *params,
                          const FitContext *context, GError **error)
{
    g_autoptr(Csr) strengths = strengths_of(view, context, params->half_life_days, error);
    if (!strengths)
        return NULL;
    if (strengths->start[strengths->rows] == 0) {
        error_set(error, ERR_INVALID, "there is no purchase to learn users' tastes from");
        return NULL;
    }
    g_auto(Profiles) profiles = {
        .strengths = strengths, .vectors = vectors, .threads = parallel_threads(context->threads)};
    if (!profiles_alloc(&profiles, profile_width(params, view->n_users), error) ||
        !parallel_for(view->n_users, BLOCK, profiles.threads, fill_profiles, &profiles,
                      context->cancel, error))
        return NULL;
    return sparse_slots_finish(profiles.slots, view->n_users, NULL, error);
}

Fitted *content_fit_with(const Dataset *view, const ContentParams *params,
                         const FitContext *context, GError **error)
{
    g_autoptr(Csr) vectors = content_vectors(view, params->product_tokens, context, error);
    if (!vectors)
        return NULL;
    g_autoptr(Csr) profiles = find_profiles(view, vectors, params, context, error);
    Csr *by_token = profiles ? csr_transpose(vectors, error) : NULL;
    if (!by_token)
        return NULL;
    Fitted *fitted = sparse_product_new(&learner_content, g_steal_pointer(&profiles), by_token);
    sparse_product_keep_params(fitted, params, sizeof *params);
    return fitted;
}

static double content_fit_work(const Dataset *view, const SignalWeights *signals,
                               const double *value, double effort)
{
    return 160.0 * strengths_rows(view, signals) + 400.0 * view->n_items;
}

static Fitted *content_fit(const Dataset *view, const FitContext *context, GError **error)
{
    ContentParams params = content_defaults;
    params.half_life_days = (float)params_get(context->params, &learner_content, 0);
    return content_fit_with(view, &params, context, error);
}

static Fitted *content_load(const Sections *sections, uint32_t n_users, uint32_t n_items,
                            GError **error)
{
    ProductShape shape = {.n_users = n_users, .n_items = n_items};
    return sparse_product_load(&learner_content, sections, &shape, error);
}

static void content_describe(const Fitted *fitted, JsonWriter *writer)
{
    const SparseProduct *product = (const SparseProduct *)fitted;
    const ContentParams *params = product->params ? product->params : &content_defaults;
    json_named_number(writer, "product_tokens", params->product_tokens);
    json_named_number(writer, "profile_tokens", profile_width(params, fitted->n_users));
    json_named_number(writer, "half_life_days", params->half_life_days);
}

static uint64_t content_fit_bytes(const FitSize *size)
{
    const ContentParams *params = &content_defaults;
    uint64_t entry = sizeof(uint32_t) + sizeof(float), tokens = content_tokens_most(size->n_items);
    uint64_t starts = ((uint64_t)size->n_users + size->n_items) * sizeof(uint64_t);
    /* events as they are added up, of several types as triples first */
    uint64_t events = size->rows * (2 * entry + (size->n_signals > 0 ? entry : 0) + sizeof(float));
    uint64_t profiles = sparse_slots_bytes(size->n_users, profile_width(params, size->n_users));
    uint64_t tastes = parallel_threads(size->threads) * tokens * (sizeof(float) + sizeof(Scored));
    uint64_t by_token = (uint64_t)size->n_items * params->product_tokens * entry;
    return content_vectors_bytes(size, params->product_tokens) + 2 * starts +
           MAX(events, size->rows * entry + profiles + tastes) + by_token +
           tokens * sizeof(uint64_t);
}

static uint64_t content_kept_bytes(const FitSize *size)
{
    const ContentParams *params = &content_defaults;
    uint64_t profiles = (uint64_t)size->n_users * profile_width(params, size->n_users);
    return sparse_product_bytes(size, profiles, (uint64_t)size->n_items * params->product_tokens) +
           content_tokens_most(size->n_items) * sizeof(uint64_t);
}

const Learner learner_content = {
    .name = "content",
    .title = "Products described alike",
    .paper = "Lops, de Gemmis, Semeraro: Content-based Recommender Systems: State of the Art and "
             "Trends, Recommender Systems Handbook, 2011",
    .is_baseline = false,
    .is_personal = true,
    .param = {{"half_life_days", HALF_LIFE_DAYS, {20, 120, 365}, 3}},
    .n_params = 1,
    .fit_work = content_fit_work,
    .fit = content_fit,
    .score_users = sparse_product_score_users,
    .score_items = sparse_product_score_items,
    .save = sparse_product_save,
    .load = content_load,
    .describe = content_describe,
    .fit_bytes = content_fit_bytes,
    .kept_bytes = content_kept_bytes,
    .free = sparse_product_free,
};
