#include "ranked_forest_lanes.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "lanes.h"

#define LEAVES     (1u << FOREST_DEPTH)
#define NODES      (LEAVES - 1) /* a perfect tree: what it lacks never goes right */
#define THRESHOLDS 63u          /* of one scale */
#define MISSING    255u         /* above every bound that is asked for */
#define NOWHERE    UINT32_MAX
#define CACHE_LINE 64u

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* Children of node i are 2i + 1 and 2i + 2. A row goes right where the byte of its column is above
 * the bound. */
typedef struct LaneTree {
    uint16_t column[NODES];
    uint8_t bound[NODES];
    float leaf[LEAVES];
} LaneTree;

_Static_assert(sizeof(LaneTree) % CACHE_LINE == 0, "trees and their leaves begin cache lines");
_Static_assert(offsetof(LaneTree, leaf) % CACHE_LINE == 0, "so do leaves");

/* One feature against up to 63 of its thresholds. A feature has as many scales as it needs, and a
 * scale a column for each way that missing values go. */
typedef struct Scale {
    uint32_t feature;
    uint32_t levels;     /* 4 to 6 */
    uint32_t to_right;   /* the column in which missing values go right, or NOWHERE */
    uint32_t to_left;    /* left */
    float threshold[64]; /* a search tree: children of entry e, from 1, are 2e and 2e + 1 */
} Scale;

struct ForestLanes {
    uint32_t n_trees, n_scales, n_columns;
    LaneTree *tree;
    Scale *scale;
};

/* One distinct question of the forest. */
typedef struct Threshold {
    uint32_t feature;
    float value;
    uint32_t scale, rank; /* its place among those of the scale */
} Threshold;

static int by_feature_and_value(const void *left, const void *right)
{
    const Threshold *a = left, *b = right;
    if (a->feature != b->feature)
        return a->feature < b->feature ? -1 : 1;
    return (a->value > b->value) - (a->value < b->value);
}

static bool is_shallow(const Forest *forest, uint32_t at, uint32_t depth)
{
    const ForestNode *node = &forest->node[at];
    if (node->feature == FOREST_LEAF)
        return true;
    return depth < FOREST_DEPTH && !isnan(node->value) &&
           is_shallow(forest, node->left, depth + 1) &&
           is_shallow(forest, node->left + 1, depth + 1);
}

/* The distinct questions in order; NULL without memory. */
static Threshold *collect(const Forest *forest, uint64_t *n)
{
    Threshold *list = g_try_new(Threshold, forest->n_nodes + 1);
    uint64_t kept = 0;
    *n = 0;
    for (uint64_t i = 0; list && i < forest->n_nodes; i++) {
        if (forest->node[i].feature != FOREST_LEAF)
            list[(*n)++] = (Threshold){forest->node[i].feature, forest->node[i].value, 0, 0};
    }
    if (!list || *n == 0)
        return list;
    qsort(list, *n, sizeof *list, by_feature_and_value);
    for (uint64_t i = 1; i < *n; i++) {
        if (by_feature_and_value(&list[kept], &list[i]) != 0)
            list[++kept] = list[i];
    }
    *n = kept + 1;
    return list;
}

/* Deals the questions out to scales; returns how many there are. */
static uint32_t number(Threshold *list, uint64_t n)
{
    uint32_t scales = 0;
    for (uint64_t i = 0; i < n; i++) {
        bool follows =
            i > 0 && list[i].feature == list[i - 1].feature && list[i - 1].rank + 1 < THRESHOLDS;
        list[i].rank = follows ? list[i - 1].rank + 1 : 0;
        list[i].scale = follows ? scales - 1 : scales++;
    }
    return scales;
}

/* Puts the rank-th in order where a search tree of so many levels has it. */
static void place_threshold(Scale *scale, uint32_t rank, float value)
{
    uint32_t height = (uint32_t)__builtin_ctz(rank + 1);
    uint32_t level = scale->levels - 1 - height;
    scale->threshold[(1u << level) + ((rank + 1) >> (height + 1))] = value;
}

static uint32_t levels_for(uint32_t n_thresholds)
{
    if (n_thresholds > 31)
        return 6;
    return n_thresholds > 15 ? 5 : 4;
}

static void fill_scales(ForestLanes *lanes, const Threshold *list, uint64_t n)
{
    for (uint64_t i = n; i-- > 0;) {
        Scale *scale = &lanes->scale[list[i].scale];
        if (scale->levels == 0) { /* its last */
            *scale = (Scale){.feature = list[i].feature,
                             .levels = levels_for(list[i].rank + 1),
                             .to_right = NOWHERE,
                             .to_left = NOWHERE};
            for (uint32_t e = 0; e < G_N_ELEMENTS(scale->threshold); e++)
                scale->threshold[e] = NAN; /* which no value reaches */
        }
        place_threshold(scale, list[i].rank, list[i].value);
    }
}

typedef struct Layout {
    const Forest *forest;
    ForestLanes *lanes;
    const Threshold *list;
    uint64_t n;
} Layout;

static void ask(const Layout *layout, const ForestNode *node, LaneTree *tree, uint32_t place)
{
    Threshold wanted = {node->feature, node->value, 0, 0};
    const Threshold *found =
        bsearch(&wanted, layout->list, layout->n, sizeof wanted, by_feature_and_value);
    Scale *scale = &layout->lanes->scale[found->scale];
    uint32_t *column = node->missing_left ? &scale->to_left : &scale->to_right;
    if (*column == NOWHERE)
        *column = layout->lanes->n_columns++;
    tree->column[place] = (uint16_t)*column;
    tree->bound[place] = (uint8_t)found->rank;
}

/* Below a leaf that comes early are nodes that never go right; all of its places get its value. */
static void lay_out(const Layout *layout, uint32_t at, LaneTree *tree, uint32_t place)
{
    const ForestNode *node = &layout->forest->node[at];
    bool is_leaf = node->feature == FOREST_LEAF;
    if (place >= NODES) {
        tree->leaf[place - NODES] = node->value;
        return;
    }
    if (is_leaf) {
        tree->column[place] = 0;
        tree->bound[place] = MISSING;
    } else {
        ask(layout, node, tree, place);
    }
    lay_out(layout, is_leaf ? at : node->left, tree, 2 * place + 1);
    lay_out(layout, is_leaf ? at : node->left + 1, tree, 2 * place + 2);
}

ForestLanes *forest_lanes_new(const Forest *forest)
{
    for (uint32_t tree = 0; tree < forest->n_trees; tree++) {
        if (!is_shallow(forest, forest->root[tree], 0))
            return NULL;
    }
    uint64_t n;
    g_autofree Threshold *list = collect(forest, &n);
    if (!list)
        return NULL;
    g_autoptr(ForestLanes) lanes = g_new0(ForestLanes, 1);
    lanes->n_trees = forest->n_trees;
    lanes->n_scales = number(list, n);
    lanes->scale = g_try_new0(Scale, lanes->n_scales + 1);
    /* whose leaves begin at whole cache lines */
    lanes->tree = aligned_alloc(CACHE_LINE, ((size_t)lanes->n_trees + 1) * sizeof(LaneTree));
    if (!lanes->scale || !lanes->tree || lanes->n_scales > UINT16_MAX / 2)
        return NULL;
    fill_scales(lanes, list, n);
    Layout layout = {forest, lanes, list, n};
    for (uint32_t tree = 0; tree < forest->n_trees; tree++)
        lay_out(&layout, forest->root[tree], &lanes->tree[tree], 0);
    return g_steal_pointer(&lanes);
}

void forest_lanes_free(ForestLanes *lanes)
{
    if (!lanes)
        return;
    free(lanes->tree);
    g_free(lanes->scale);
    g_free(lanes);
}

/* One feature of a block; a row that is not there is its last again. */
static void gather(const float *rows, uint32_t n, uint32_t n_features, float *values)
{
    for (uint32_t r = 0; r < n; r++)
        values[r] = rows[(size_t)r * n_features];
    for (uint32_t r = n; r < FOREST_LANES; r++)
        values[r] = values[n - 1];
}

/* values: how many of the scale's thresholds each has reached, 0 where it is missing. */
CLONES static void rank_values(const Scale *scale, const float *values, uint8_t *to_right,
                               uint8_t *to_left)
{
    for (uint32_t r = 0; r < FOREST_LANES; r++) {
        uint32_t entry = 1;
        for (uint32_t level = 0; level < scale->levels; level++)
            entry = 2 * entry + (values[r] >= scale->threshold[entry]);
        uint8_t reached = (uint8_t)(entry - (1u << scale->levels));
        to_left[r] = reached;
        to_right[r] = isnan(values[r]) ? MISSING : reached;
    }
}

/* Of sixteen rows, which every machine compares in one go. */
typedef uint8_t Answers __attribute__((vector_size(16)));

ALWAYS_INLINE Answers goes_right(const LaneTree *tree, const uint8_t *bytes, uint32_t node)
{
    return (Answers)(*(const Answers *)(bytes + FOREST_LANES * tree->column[node]) >
                     tree->bound[node]);
}

ALWAYS_INLINE Answers leaf_below_1(const LaneTree *tree, const uint8_t *bytes, uint32_t node)
{
    return goes_right(tree, bytes, node) & 1;
}

/* The number of the leaf among those below a node of this height: that of the left child or, past
 * all of those, that of the right. */
#define LEAF_BELOW(height, lower)                                                                  \
    ALWAYS_INLINE Answers leaf_below_##height(const LaneTree *tree, const uint8_t *bytes,          \
                                              uint32_t node)                                       \
    {                                                                                              \
        Answers right = goes_right(tree, bytes, node);                                             \
        Answers first = leaf_below_##lower(tree, bytes, 2 * node + 1);                             \
        Answers second = leaf_below_##lower(tree, bytes, 2 * node + 2) + (1 << lower);             \
        return (first & ~right) | (second & right);                                                \
    }

LEAF_BELOW(2, 1)
LEAF_BELOW(3, 2)
LEAF_BELOW(4, 3)
LEAF_BELOW(5, 4)
LEAF_BELOW(6, 5)

CLONES static void add_trees(const ForestLanes *lanes, const uint8_t *bytes, float *sums)
{
    for (uint32_t t = 0; t < lanes->n_trees; t++) {
        const LaneTree *tree = &lanes->tree[t];
        Answers leaf[FOREST_LANES / sizeof(Answers)];
        for (uint32_t part = 0; part < G_N_ELEMENTS(leaf); part++)
            leaf[part] = leaf_below_6(tree, bytes + part * sizeof(Answers), 0);
        for (uint32_t r = 0; r < FOREST_LANES; r++)
            sums[r] += tree->leaf[((const uint8_t *)leaf)[r]];
    }
}

#if defined(__x86_64__)
#define WIDE __attribute__((target("avx512f,avx512bw,avx512vl")))

WIDE ALWAYS_INLINE __m512i next_entry(__m512i entry, __m512 value, __m512 threshold)
{
    __m512i twice = _mm512_add_epi32(entry, entry);
    return _mm512_mask_add_epi32(twice, _mm512_cmp_ps_mask(value, threshold, _CMP_GE_OQ), twice,
                                 _mm512_set1_epi32(1));
}

/* Sixteen values down the search tree: its first entries are one register, the next level another,
 * the last two. */
WIDE ALWAYS_INLINE __m128i rank_16(const Scale *scale, const float *values)
{
    __m512 value = _mm512_loadu_ps(values);
    __m512i entry = _mm512_set1_epi32(1);
    __m512 top = _mm512_loadu_ps(scale->threshold);
    for (uint32_t level = 0; level < 4; level++)
        entry = next_entry(entry, value, _mm512_permutexvar_ps(entry, top));
    if (scale->levels > 4)
        entry = next_entry(entry, value,
                           _mm512_permutexvar_ps(entry, _mm512_loadu_ps(scale->threshold + 16)));
    if (scale->levels > 5)
        entry = next_entry(entry, value,
                           _mm512_permutex2var_ps(_mm512_loadu_ps(scale->threshold + 32), entry,
                                                  _mm512_loadu_ps(scale->threshold + 48)));
    return _mm512_cvtepi32_epi8(_mm512_sub_epi32(entry, _mm512_set1_epi32(1 << scale->levels)));
}

WIDE static void rank_values_wide(const Scale *scale, const float *values, uint8_t *to_right,
                                  uint8_t *to_left)
{
    for (uint32_t r = 0; r < FOREST_LANES; r += 16) {
        __m128i reached = rank_16(scale, values + r);
        __m512 value = _mm512_loadu_ps(values + r);
        __mmask16 missing = _mm512_cmp_ps_mask(value, value, _CMP_UNORD_Q);
        _mm_storeu_si128((__m128i *)(void *)(to_left + r), reached);
        _mm_storeu_si128((__m128i *)(void *)(to_right + r),
                         _mm_mask_set1_epi8(reached, missing, (char)MISSING));
    }
}

WIDE ALWAYS_INLINE __mmask64 goes_right_wide(const LaneTree *tree, const uint8_t *bytes,
                                             uint32_t node)
{
    return _mm512_cmpgt_epu8_mask(_mm512_load_si512(bytes + FOREST_LANES * tree->column[node]),
                                  _mm512_set1_epi8((char)tree->bound[node]));
}

WIDE ALWAYS_INLINE __m512i leaf_below_wide_1(const LaneTree *tree, const uint8_t *bytes,
                                             uint32_t node)
{
    return _mm512_maskz_set1_epi8(goes_right_wide(tree, bytes, node), 1);
}

#define LEAF_BELOW_WIDE(height, lower)                                                             \
    WIDE ALWAYS_INLINE __m512i leaf_below_wide_##height(const LaneTree *tree,                      \
                                                        const uint8_t *bytes, uint32_t node)       \
    {                                                                                              \
        __m512i first = leaf_below_wide_##lower(tree, bytes, 2 * node + 1);                        \
        __m512i second = leaf_below_wide_##lower(tree, bytes, 2 * node + 2);                       \
        return _mm512_mask_add_epi8(first, goes_right_wide(tree, bytes, node), second,             \
                                    _mm512_set1_epi8(1 << lower));                                 \
    }

LEAF_BELOW_WIDE(2, 1)
LEAF_BELOW_WIDE(3, 2)
LEAF_BELOW_WIDE(4, 3)
LEAF_BELOW_WIDE(5, 4)
LEAF_BELOW_WIDE(6, 5)

/* The values of sixteen leaves: of the first 32, or of the others. */
WIDE ALWAYS_INLINE __m512 leaf_values(const LaneTree *tree, __m128i leaf)
{
    __m512i number = _mm512_cvtepu8_epi32(leaf);
    __m512 first = _mm512_permutex2var_ps(_mm512_loadu_ps(tree->leaf), number,
                                          _mm512_loadu_ps(tree->leaf + 16));
    __m512 second = _mm512_permutex2var_ps(_mm512_loadu_ps(tree->leaf + 32), number,
                                           _mm512_loadu_ps(tree->leaf + 48));
    return _mm512_mask_mov_ps(
        first, _mm512_cmpgt_epu32_mask(number, _mm512_set1_epi32(LEAVES / 2 - 1)), second);
}

WIDE static void add_trees_wide(const ForestLanes *lanes, const uint8_t *bytes, float *sums)
{
    __m512 sum[4] = {_mm512_loadu_ps(sums), _mm512_loadu_ps(sums + 16), _mm512_loadu_ps(sums + 32),
                     _mm512_loadu_ps(sums + 48)};
    for (uint32_t t = 0; t < lanes->n_trees; t++) {
        const LaneTree *tree = &lanes->tree[t];
        __m512i leaf = leaf_below_wide_6(tree, bytes, 0);
        sum[0] = _mm512_add_ps(sum[0], leaf_values(tree, _mm512_extracti32x4_epi32(leaf, 0)));
        sum[1] = _mm512_add_ps(sum[1], leaf_values(tree, _mm512_extracti32x4_epi32(leaf, 1)));
        sum[2] = _mm512_add_ps(sum[2], leaf_values(tree, _mm512_extracti32x4_epi32(leaf, 2)));
        sum[3] = _mm512_add_ps(sum[3], leaf_values(tree, _mm512_extracti32x4_epi32(leaf, 3)));
    }
    for (uint32_t part = 0; part < G_N_ELEMENTS(sum); part++)
        _mm512_storeu_ps(sums + (size_t)part * 16, sum[part]);
}

bool forest_lanes_wide(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl");
}
#else
#define rank_values_wide rank_values
#define add_trees_wide   add_trees

bool forest_lanes_wide(void)
{
    return false;
}
#endif

/* What goes to a column that nobody asks is thrown away. */
static uint8_t *column_of(uint8_t *bytes, uint32_t column, uint8_t *nowhere)
{
    return column == NOWHERE ? nowhere : bytes + (size_t)column * FOREST_LANES;
}

static void rank_block(const ForestLanes *lanes, bool wide, const float *rows, uint32_t n,
                       uint32_t n_features, uint8_t *bytes)
{
    float values[FOREST_LANES];
    uint8_t nowhere[FOREST_LANES];
    for (uint32_t s = 0; s < lanes->n_scales; s++) {
        const Scale *scale = &lanes->scale[s];
        uint8_t *to_right = column_of(bytes, scale->to_right, nowhere);
        uint8_t *to_left = column_of(bytes, scale->to_left, nowhere);
        if (s == 0 || scale->feature != scale[-1].feature)
            gather(rows + scale->feature, n, n_features, values);
        (wide ? rank_values_wide : rank_values)(scale, values, to_right, to_left);
    }
}

void forest_lanes_sum(const ForestLanes *lanes, bool wide, const float *rows, uint32_t n,
                      uint32_t n_features, float *sums)
{
    size_t columns = MAX(lanes->n_columns, 1);
    uint8_t *bytes = g_aligned_alloc0(columns, FOREST_LANES, FOREST_LANES);
    for (uint32_t from = 0; from < n; from += FOREST_LANES) {
        uint32_t count = MIN(FOREST_LANES, n - from);
        float block[FOREST_LANES] = {0};
        rank_block(lanes, wide, rows + (size_t)from * n_features, count, n_features, bytes);
        (wide ? add_trees_wide : add_trees)(lanes, bytes, block);
        memcpy(sums + from, block, count * sizeof *sums);
    }
    g_aligned_free(bytes);
}
