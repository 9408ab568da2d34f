#include "ranked_forest.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "ranked_forest_lanes.h"

/* Fewer rows than this walk faster than 64 are looked at together. */
#define WIDE_MIN   2u
#define NARROW_MIN 8u

/* Rows that walk down a tree together, so that their loads overlap. */
#define ROWS 8u

/* A line of a dump: a node under its own number. */
typedef struct Line {
    bool is_leaf;
    float value;
    uint16_t feature;
    uint32_t yes, no, missing;
} Line;

static bool skip(const char **at, const char *word)
{
    size_t length = strlen(word);
    if (strncmp(*at, word, length) != 0)
        return false;
    *at += length;
    return true;
}

static uint64_t read_number(const char **at)
{
    char *end;
    uint64_t number = g_ascii_strtoull(*at, &end, 10);
    *at = end;
    return number;
}

static float read_float(const char **at)
{
    char *end;
    double value = g_ascii_strtod(*at, &end);
    *at = end;
    return (float)value;
}

/* "3:[f12<0.5] yes=7,no=8,missing=7" or "7:leaf=0.25" */
static bool read_line(const char **at, uint32_t *number, Line *line)
{
    *number = (uint32_t)read_number(at);
    if (!skip(at, ":"))
        return false;
    line->is_leaf = skip(at, "leaf=");
    if (line->is_leaf) {
        line->value = read_float(at);
        return true;
    }
    if (!skip(at, "[f"))
        return false;
    uint64_t feature = read_number(at);
    if (feature >= FOREST_LEAF || !skip(at, "<"))
        return false;
    line->feature = (uint16_t)feature;
    line->value = read_float(at);
    if (!skip(at, "] yes="))
        return false;
    line->yes = (uint32_t)read_number(at);
    if (!skip(at, ",no="))
        return false;
    line->no = (uint32_t)read_number(at);
    if (!skip(at, ",missing="))
        return false;
    line->missing = (uint32_t)read_number(at);
    return true;
}

/* The lines of one tree by number: for g_array_unref(), NULL when one is not understood. */
static GArray *read_tree(const char *text)
{
    GArray *lines = g_array_new(FALSE, TRUE, sizeof(Line));
    while (*text) {
        uint32_t number;
        Line line = {0};
        text += strspn(text, "\t\n");
        if (!*text)
            break;
        if (!read_line(&text, &number, &line) || number > UINT16_MAX) {
            g_array_unref(lines);
            return NULL;
        }
        if (number >= lines->len)
            g_array_set_size(lines, number + 1);
        g_array_index(lines, Line, number) = line;
    }
    return lines;
}

/* Lays a tree out breadth first, children side by side. False when a child is not there. */
static bool lay_out(const GArray *lines, GArray *nodes)
{
    g_autoptr(GArray) order = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    uint32_t number = 0;
    guint base = nodes->len;
    g_array_append_val(order, number);
    for (guint i = 0; i < order->len; i++) {
        number = g_array_index(order, uint32_t, i);
        if (number >= lines->len || order->len > 2 * lines->len)
            return false;
        const Line *line = &g_array_index(lines, Line, number);
        ForestNode node = {.value = line->value,
                           .feature = line->is_leaf ? FOREST_LEAF : line->feature,
                           .missing_left = line->missing == line->yes,
                           .left = base + order->len};
        if (line->is_leaf) {
            node.missing_left = 0;
            node.left = 0;
        } else {
            g_array_append_val(order, line->yes);
            g_array_append_val(order, line->no);
        }
        g_array_append_val(nodes, node);
    }
    return true;
}

Forest *forest_parse(const char *const *trees, uint32_t n, GError **error)
{
    g_autoptr(GArray) nodes = g_array_new(FALSE, FALSE, sizeof(ForestNode));
    g_autoptr(Forest) forest = g_new0(Forest, 1);
    forest->root = g_new0(uint32_t, MAX(n, 1));
    for (uint32_t tree = 0; tree < n; tree++) {
        g_autoptr(GArray) lines = read_tree(trees[tree]);
        forest->root[tree] = nodes->len;
        if (!lines || lines->len == 0 || !lay_out(lines, nodes)) {
            error_set(error, ERR_INTERNAL, "tree %u of the ranker is not understood", tree);
            return NULL;
        }
    }
    forest->n_trees = n;
    forest->n_nodes = nodes->len;
    forest->node = (ForestNode *)(void *)g_array_free(g_steal_pointer(&nodes), FALSE);
    return g_steal_pointer(&forest);
}

void forest_free(Forest *forest)
{
    if (!forest)
        return;
    g_free(forest->root);
    g_free(forest->node);
    forest_forget(forest);
}

void forest_forget(Forest *forest)
{
    if (!forest)
        return;
    forest_lanes_free(forest->lanes);
    g_free(forest);
}

void forest_prepare(Forest *forest)
{
    forest_lanes_free(forest->lanes);
    forest->lanes = forest_lanes_new(forest);
}

void forest_send_missing_left(Forest *forest)
{
    for (uint64_t n = 0; n < forest->n_nodes; n++)
        forest->node[n].missing_left = forest->node[n].feature != FOREST_LEAF;
}

void forest_join(Forest *forest, const Forest *other, float factor)
{
    uint32_t base = (uint32_t)forest->n_nodes;
    g_clear_pointer(&forest->lanes, forest_lanes_free);
    forest->root = g_renew(uint32_t, forest->root, forest->n_trees + other->n_trees + 1);
    forest->node = g_renew(ForestNode, forest->node, forest->n_nodes + other->n_nodes + 1);
    for (uint32_t tree = 0; tree < other->n_trees; tree++)
        forest->root[forest->n_trees++] = base + other->root[tree];
    for (uint64_t n = 0; n < other->n_nodes; n++) {
        ForestNode node = other->node[n];
        if (node.feature == FOREST_LEAF)
            node.value *= factor;
        else
            node.left += base;
        forest->node[forest->n_nodes++] = node;
    }
}

static inline uint32_t step(const ForestNode *node, const float *row)
{
    float value = row[node->feature];
    bool left = isnan(value) ? node->missing_left : value < node->value;
    return node->left + !left;
}

static float walk(const Forest *forest, uint32_t at, const float *row)
{
    while (forest->node[at].feature != FOREST_LEAF)
        at = step(&forest->node[at], row);
    return forest->node[at].value;
}

/* One tree for ROWS rows at once: all go on until the last has arrived. */
static void walk_together(const Forest *forest, uint32_t root, const float *rows,
                          uint32_t n_features, float *sums)
{
    uint32_t at[ROWS];
    for (uint32_t r = 0; r < ROWS; r++)
        at[r] = root;
    for (bool moved = true; moved;) {
        moved = false;
        for (uint32_t r = 0; r < ROWS; r++) {
            const ForestNode *node = &forest->node[at[r]];
            if (node->feature == FOREST_LEAF)
                continue;
            at[r] = step(node, rows + (size_t)r * n_features);
            moved = true;
        }
    }
    for (uint32_t r = 0; r < ROWS; r++)
        sums[r] += forest->node[at[r]].value;
}

static void walk_all(const Forest *forest, const float *rows, uint32_t n, uint32_t n_features,
                     float *sums)
{
    memset(sums, 0, n * sizeof *sums);
    uint32_t together = n - n % ROWS;
    for (uint32_t r = 0; r < together; r += ROWS) {
        for (uint32_t tree = 0; tree < forest->n_trees; tree++)
            walk_together(forest, forest->root[tree], rows + (size_t)r * n_features, n_features,
                          sums + r);
    }
    for (uint32_t r = together; r < n; r++) {
        for (uint32_t tree = 0; tree < forest->n_trees; tree++)
            sums[r] += walk(forest, forest->root[tree], rows + (size_t)r * n_features);
    }
}

void forest_sum(const Forest *forest, const float *rows, uint32_t n, uint32_t n_features,
                float *sums)
{
    bool wide = forest_lanes_wide();
    uint32_t rest = n % FOREST_LANES < (wide ? WIDE_MIN : NARROW_MIN) ? n % FOREST_LANES : 0;
    uint32_t together = forest->lanes ? n - rest : 0;
    if (together > 0)
        forest_lanes_sum(forest->lanes, wide, rows, together, n_features, sums);
    walk_all(forest, rows + (size_t)together * n_features, n - together, n_features,
             sums + together);
}

float forest_probability(float sum)
{
    return 1 / (1 + expf(-sum));
}

void forest_arrays(Forest *forest, KeptArrays *arrays)
{
    kept_add(arrays, &forest->root, sizeof(uint32_t), forest->n_trees, "learner.forest_root");
    kept_add(arrays, &forest->node, sizeof(ForestNode), forest->n_nodes, "learner.forest_node");
}

bool forest_is_sound(const Forest *forest, uint32_t n_features)
{
    for (uint32_t tree = 0; tree < forest->n_trees; tree++) {
        if (forest->root[tree] >= forest->n_nodes)
            return false;
    }
    for (uint64_t n = 0; n < forest->n_nodes; n++) {
        const ForestNode *node = &forest->node[n];
        if (isnan(node->value))
            return false;
        if (node->feature == FOREST_LEAF)
            continue;
        /* to later nodes only: no row walks in circles */
        if (node->feature >= n_features || node->left <= n ||
            (uint64_t)node->left + 1 >= forest->n_nodes)
            return false;
    }
    return true;
}
