#include "base/error.h"
#include "levels_moment.h"
#include "math/parallel.h"
#include "math/rng.h"
#include "ranked_arrays.h"

/* Each pair of a user drawn and a value that counts is looked at, though few become rows. */
#define PAIRS_MAX    20e6
#define USERS_MIN    1000.0
#define USERS_STREAM 0x6c766c75u
#define PAIRS_STREAM 0x6c766c70u
/* Of all rows, those of values that sell well; they had so many orders in the month before. */
#define LARGE_SHARE  0.7
#define LARGE_ORDERS 30

/* So many users that what came true of theirs is not more than `rows`. */
static double share_of_users(const LevelMoment *moment, uint32_t n_alive, double rows)
{
    double n_all = MAX(moment->scope->n_users, 1);
    double came_true = moment->targets ? (double)moment->targets->start[moment->targets->rows] : 0;
    double share = MIN(PAIRS_MAX / (n_all * n_alive), rows / MAX(came_true, 1));
    return MAX(share, USERS_MIN / n_all);
}

static bool draw_users(LevelDraw *draw, double share, GError **error)
{
    const Scope *scope = draw->moment->scope;
    const Dataset *view = draw->moment->view;
    draw->users = kept_new0(view->n_users, sizeof *draw->users, error);
    for (uint32_t user = 0; draw->users && user < view->n_users; user++) {
        Rng rng;
        rng_init(&rng, draw->seed ^ USERS_STREAM, user);
        if (scope->user[user] == USER_PREDICTABLE && rng_uniform(&rng) < share)
            draw->users[draw->n_users++] = user;
    }
    draw->user_share = (double)draw->n_users / MAX(scope->n_users, 1);
    return draw->users != NULL;
}

static bool is_large(const LevelMoment *moment, uint32_t value)
{
    return moment->facts.state->item[(size_t)value * ITEM_FEATURES + ITEM_ROWS_30] >= LARGE_ORDERS;
}

/* Pairs of the users drawn: never bought and bought, of large values and of the others. */
typedef struct Pairs {
    double count[2][2]; /* [large][bought] */
} Pairs;

static Pairs count_pairs(const LevelDraw *draw, bool by_size)
{
    Pairs pairs = {0};
    const LevelMoment *moment = draw->moment;
    const FeatureState *state = moment->facts.state;
    for (uint32_t v = 0; v < moment->facts.n_values; v++) {
        if (moment->scope->item[v])
            pairs.count[by_size && is_large(moment, v)][0] += draw->n_users;
    }
    for (uint32_t u = 0; u < draw->n_users; u++) {
        uint32_t user = draw->users[u];
        for (uint64_t p = state->pair_start[user]; p < state->pair_start[user + (size_t)1]; p++) {
            uint32_t v = state->pair_item[p];
            if (v >= moment->facts.n_values || !moment->scope->item[v])
                continue;
            pairs.count[by_size && is_large(moment, v)][1]++;
            pairs.count[by_size && is_large(moment, v)][0]--;
        }
    }
    return pairs;
}

static void set_shares(LevelDraw *draw, double rows, bool by_size)
{
    const LevelMoment *moment = draw->moment;
    Pairs pairs = count_pairs(draw, by_size);
    double of_large[2] = {1, 1}, of_rest[2];
    double wanted = LARGE_SHARE * rows, large = pairs.count[1][0] + pairs.count[1][1];
    for (size_t b = 0; b < 2 && by_size; b++)
        of_large[b] = MIN(1, wanted / MAX(large, 1));
    double left = by_size ? rows - MIN(wanted, large) : rows;
    for (size_t b = 0; b < 2; b++)
        of_rest[b] = MIN(1, left / 2 / MAX(pairs.count[0][b], 1));
    for (uint32_t v = 0; v < moment->facts.n_values; v++) {
        const double *share = by_size && is_large(moment, v) ? of_large : of_rest;
        for (size_t b = 0; b < 2; b++)
            draw->keep[b][v] = moment->scope->item[v] ? (float)share[b] : 0;
    }
    draw->pairs = pairs.count[0][0] + pairs.count[0][1] + large;
}

bool level_draw_init(LevelDraw *draw, const LevelMoment *moment, double rows, bool by_size,
                     uint64_t seed, GError **error)
{
    uint32_t n_values = moment->facts.n_values, n_alive = 0;
    draw->moment = moment;
    draw->seed = seed;
    for (size_t b = 0; b < 2; b++) {
        draw->keep[b] = kept_new0(n_values, sizeof(float), error);
        if (!draw->keep[b])
            return false;
    }
    for (uint32_t v = 0; v < n_values; v++)
        n_alive += moment->scope->item[v];
    if (!draw_users(draw, share_of_users(moment, MAX(n_alive, 1), rows), error))
        return false;
    set_shares(draw, rows, by_size);
    return true;
}

void level_draw_clear(LevelDraw *draw)
{
    g_free(draw->users);
    g_free(draw->keep[0]);
    g_free(draw->keep[1]);
}

/* Scratch of one thread. */
typedef struct LevelDesk {
    DrawnUser rows;
    uint32_t room;      /* for features, in rows */
    Affinity *affinity; /* n_values + 1, zeros between users */
    float *liked;       /* n_values + 1 */
} LevelDesk;

typedef struct Drawing {
    const LevelDraw *draw;
    DrawVisit visit;
    void *context;
    LevelDesk *desks;
    unsigned threads;
} Drawing;

static void drawing_clear(Drawing *drawing)
{
    for (unsigned t = 0; t < drawing->threads; t++) {
        LevelDesk *desk = &drawing->desks[t];
        g_free(desk->rows.value);
        g_free(desk->rows.label);
        g_free(desk->rows.weight);
        g_free(desk->rows.features);
        g_free(desk->affinity);
        g_free(desk->liked);
    }
    g_free(drawing->desks);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Drawing, drawing_clear)

static bool desks_init(Drawing *drawing, unsigned threads, GError **error)
{
    uint64_t n = drawing->draw->moment->facts.n_values + (uint64_t)1;
    drawing->desks = g_new0(LevelDesk, threads);
    drawing->threads = threads;
    for (unsigned t = 0; t < threads; t++) {
        LevelDesk *desk = &drawing->desks[t];
        desk->rows.value = kept_new0(n, sizeof(uint32_t), error);
        desk->rows.label = kept_new0(n, sizeof(float), error);
        desk->rows.weight = kept_new0(n, sizeof(float), error);
        desk->affinity = kept_new0(n, sizeof(Affinity), error);
        desk->liked = kept_new0(n, sizeof(float), error);
        if (!desk->rows.value || !desk->rows.label || !desk->rows.weight || !desk->affinity ||
            !desk->liked)
            return false;
    }
    return true;
}

/* Walks along an ascending list: whether `wanted`, which never falls, is in it. */
static bool is_next(const uint32_t *list, uint64_t *at, uint64_t end, uint32_t wanted)
{
    while (*at < end && list[*at] < wanted)
        ++*at;
    return *at < end && list[*at] == wanted;
}

static void pick_values(const LevelDraw *draw, uint32_t user, DrawnUser *rows)
{
    const LevelMoment *moment = draw->moment;
    const FeatureState *state = moment->facts.state;
    const Csr *targets = moment->targets;
    uint64_t pair = state->pair_start[user], pairs_end = state->pair_start[user + (size_t)1];
    uint64_t target = targets ? targets->start[user] : 0;
    uint64_t targets_end = targets ? targets->start[user + (size_t)1] : 0;
    Rng rng;
    rng_init(&rng, draw->seed ^ PAIRS_STREAM, user);
    rows->user = user;
    rows->n = 0;
    for (uint32_t v = 0; v < moment->facts.n_values; v++) {
        float keep = draw->keep[is_next(state->pair_item, &pair, pairs_end, v)][v];
        bool came_true = targets && is_next(targets->column, &target, targets_end, v);
        if (keep <= 0 || (!came_true && keep < 1 && rng_uniform(&rng) >= keep))
            continue;
        rows->value[rows->n] = v;
        rows->label[rows->n] = came_true;
        rows->weight[rows->n++] = came_true ? 1 : 1 / keep;
    }
}

static bool make_room(LevelDesk *desk, GError **error)
{
    if (desk->rows.n <= desk->room)
        return true;
    g_free(desk->rows.features);
    desk->room = desk->rows.n + desk->rows.n / 2;
    desk->rows.features =
        kept_new0((uint64_t)desk->room * level_features_count(), sizeof(float), error);
    desk->room = desk->rows.features ? desk->room : 0;
    return desk->rows.features != NULL;
}

static bool describe_rows(const LevelDraw *draw, LevelDesk *desk, GError **error)
{
    const LevelFacts *facts = &draw->moment->facts;
    DrawnUser *rows = &desk->rows;
    uint32_t n_features = level_features_count();
    if (facts->als &&
        !facts->als->learner->score_users(facts->als, &rows->user, 1, desk->liked, error))
        return false;
    features_user_affinity(facts->state, rows->user, desk->affinity);
    for (uint32_t r = 0; r < rows->n; r++) {
        uint32_t value = rows->value[r];
        level_features_write(facts, rows->user, value, &desk->affinity[value], desk->liked[value],
                             rows->features + (size_t)r * n_features);
    }
    features_clear_user_affinity(facts->state, rows->user, desk->affinity);
    return true;
}

static bool draw_block(void *context, uint64_t begin, uint64_t end, unsigned worker, GError **error)
{
    const Drawing *drawing = context;
    LevelDesk *desk = &drawing->desks[worker];
    for (uint64_t u = begin; u < end; u++) {
        pick_values(drawing->draw, drawing->draw->users[u], &desk->rows);
        if (!make_room(desk, error) || !describe_rows(drawing->draw, desk, error))
            return false;
        if (!drawing->visit(drawing->context, begin / DRAW_BLOCK, &desk->rows, error))
            return false;
    }
    return true;
}

bool level_draw_each(const LevelDraw *draw, const LevelsOptions *options, DrawVisit visit,
                     void *context, GError **error)
{
    g_auto(Drawing) drawing = {.draw = draw, .visit = visit, .context = context};
    return desks_init(&drawing, parallel_threads(options->threads), error) &&
           parallel_for(draw->n_users, DRAW_BLOCK, options->threads, draw_block, &drawing,
                        options->cancel, error);
}
