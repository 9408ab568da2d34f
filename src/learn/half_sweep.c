#include "half_sweep.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cblas.h>

#include "base/error.h"
#include "lanes.h"
#include "math/parallel.h"

/* Rows of a block: enough for one efficient SGEMM with the Gram matrix. */
#define BLOCK_ROWS     64u
/* What a block gathers stays in the L2 cache for all its steps. */
#define GATHER_BYTES   (512u << 10)
/* How far ahead of the vector being copied: random rows, so the hardware cannot guess. */
#define PREFETCH_BYTES (6u << 10)

/* Scratch of one thread. All matrices are BLOCK_ROWS × rank. */
typedef struct Scratch {
    float *memory; /* holds all below */
    float *x, *residual, *direction, *product;
    float *gathered;  /* gather_cells() × rank: the other side's vectors of all rows in turn */
    uint32_t *column; /* gather_cells(): whose they are */
} Scratch;

struct SweepSpace {
    unsigned threads;
    Scratch *scratch; /* one per thread */
    float *gram;      /* rank × rank */
};

typedef struct Sweep {
    const SweepPlan *plan;
    const SolveParams *params;
    const Factors *other;
    Factors *own;
    const float *gram;
    Scratch *scratch; /* one per thread */
} Sweep;

/* Σ over cells of coefficient · y, with coefficient = bias·(1 + αw)·√w + slope·αw·(y·p): with bias
 * 1 and slope -1 what a row's cells add to its residual, with 0 and 1 to the product with a
 * direction. */
typedef struct CellTerm {
    float bias, slope, confidence;
} CellTerm;

static uint32_t gather_cells(uint32_t rank)
{
    return MAX(GATHER_BYTES / (rank * (uint32_t)sizeof(float)), BLOCK_ROWS);
}

static uint64_t scratch_floats(uint32_t rank)
{
    return (uint64_t)rank * 4 * BLOCK_ROWS + (uint64_t)gather_cells(rank) * (rank + 1);
}

uint64_t half_sweep_bytes(uint32_t rank)
{
    return scratch_floats(rank) * sizeof(float);
}

CLONES static void gather(const float *restrict from, const uint32_t *restrict column, uint32_t n,
                          uint32_t rank, float *restrict to)
{
    uint32_t ahead = MAX(PREFETCH_BYTES / (rank * (uint32_t)sizeof(float)), 1);
    for (uint32_t i = 0; i < n; i++) {
        if (i + ahead < n) {
            const float *later = from + (size_t)column[i + ahead] * rank;
            for (uint32_t f = 0; f < rank; f += LANES)
                __builtin_prefetch(later + f);
        }
        const float *source = from + (size_t)column[i] * rank;
        for (uint32_t f = 0; f < rank; f += LANES)
            *(Lanes *)(to + (size_t)i * rank + f) = *(const Lanes *)(source + f);
    }
}

/* out += Σ coefficient · y over n gathered vectors; four at a time, so that p and out are read once
 * for four. */
CLONES static void add_cells(const float *restrict y, const float *restrict weight, uint32_t n,
                             uint32_t rank, const CellTerm *restrict term, const float *restrict p,
                             float *restrict out)
{
    uint32_t i = 0;
    for (; i + 4 <= n; i += 4, y += (size_t)4 * rank) {
        Lanes s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};
        const float *y1 = y + rank, *y2 = y1 + rank, *y3 = y2 + rank;
        for (uint32_t f = 0; f < rank; f += LANES) {
            Lanes q = *(const Lanes *)(p + f);
            s0 += *(const Lanes *)(y + f) * q;
            s1 += *(const Lanes *)(y1 + f) * q;
            s2 += *(const Lanes *)(y2 + f) * q;
            s3 += *(const Lanes *)(y3 + f) * q;
        }
        float dot[4] = {lanes_sum(&s0), lanes_sum(&s1), lanes_sum(&s2), lanes_sum(&s3)};
        for (uint32_t j = 0; j < 4; j++) {
            float extra = term->confidence * weight[i + j];
            dot[j] = term->bias * (1 + extra) * sqrtf(weight[i + j]) + term->slope * extra * dot[j];
        }
        for (uint32_t f = 0; f < rank; f += LANES)
            *(Lanes *)(out + f) +=
                dot[0] * *(const Lanes *)(y + f) + dot[1] * *(const Lanes *)(y1 + f) +
                dot[2] * *(const Lanes *)(y2 + f) + dot[3] * *(const Lanes *)(y3 + f);
    }
    for (; i < n; i++, y += rank) {
        Lanes s = {0};
        for (uint32_t f = 0; f < rank; f += LANES)
            s += *(const Lanes *)(y + f) * *(const Lanes *)(p + f);
        float extra = term->confidence * weight[i];
        float coefficient =
            term->bias * (1 + extra) * sqrtf(weight[i]) + term->slope * extra * lanes_sum(&s);
        for (uint32_t f = 0; f < rank; f += LANES)
            *(Lanes *)(out + f) += coefficient * *(const Lanes *)(y + f);
    }
}

CLONES static float dot(const float *restrict a, const float *restrict b, uint32_t n)
{
    Lanes sum = {0};
    for (uint32_t f = 0; f < n; f += LANES)
        sum += *(const Lanes *)(a + f) * *(const Lanes *)(b + f);
    return lanes_sum(&sum);
}

/* y += a·x */
CLONES static void add_scaled(float a, const float *restrict x, float *restrict y, uint32_t n)
{
    for (uint32_t f = 0; f < n; f += LANES)
        *(Lanes *)(y + f) += a * *(const Lanes *)(x + f);
}

/* p = r + b·p */
CLONES static void turn(float b, const float *restrict r, float *restrict p, uint32_t n)
{
    for (uint32_t f = 0; f < n; f += LANES)
        *(Lanes *)(p + f) = *(const Lanes *)(r + f) + b * *(Lanes *)(p + f);
}

/* A row too long for the buffer is gathered again, piece by piece, in every step. */
static void add_long_row(const Sweep *sweep, uint32_t row, const CellTerm *term, Scratch *scratch,
                         const float *p, float *out)
{
    const Csr *weights = sweep->plan->weights;
    uint32_t rank = sweep->own->rank;
    uint32_t piece = gather_cells(rank);
    for (uint64_t from = weights->start[row]; from < weights->start[row + 1]; from += piece) {
        uint32_t n = (uint32_t)MIN(piece, weights->start[row + 1] - from);
        gather(sweep->other->data, weights->column + from, n, rank, scratch->gathered);
        add_cells(scratch->gathered, weights->value + from, n, rank, term, p, out);
    }
}

/* out += what the cells of the block's n rows add for their p (both n × rank). */
static void add_block(const Sweep *sweep, const uint32_t *row, uint32_t n, const CellTerm *term,
                      Scratch *scratch, const float *p, float *out)
{
    const Csr *weights = sweep->plan->weights;
    uint32_t rank = sweep->own->rank;
    size_t gathered = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t start = weights->start[row[i]], cells = weights->start[row[i] + 1] - start;
        size_t at = (size_t)i * rank;
        if (cells > gather_cells(rank)) {
            add_long_row(sweep, row[i], term, scratch, p + at, out + at);
            continue;
        }
        add_cells(scratch->gathered + gathered * rank, weights->value + start, (uint32_t)cells,
                  rank, term, p + at, out + at);
        gathered += cells;
    }
}

/* All rows in one go: most have fewer cells than the prefetch looks ahead. */
static void gather_block(const Sweep *sweep, const uint32_t *row, uint32_t n, Scratch *scratch)
{
    const Csr *weights = sweep->plan->weights;
    uint32_t rank = sweep->own->rank, gathered = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t start = weights->start[row[i]], cells = weights->start[row[i] + 1] - start;
        if (cells > gather_cells(rank))
            continue;
        memcpy(scratch->column + gathered, weights->column + start, cells * sizeof(uint32_t));
        gathered += (uint32_t)cells;
    }
    gather(sweep->other->data, scratch->column, gathered, rank, scratch->gathered);
    gather(sweep->own->data, row, n, rank, scratch->x);
}

/* λ(Σ 1 + αw)^ν */
static float row_regularization(const Sweep *sweep, uint32_t row)
{
    const Csr *weights = sweep->plan->weights;
    double sum = 0;
    for (uint64_t e = weights->start[row]; e < weights->start[row + 1]; e++)
        sum += 1 + sweep->params->confidence * weights->value[e];
    return (float)(sweep->params->regularization * pow(sum, sweep->params->exponent));
}

/* One step of one row: moves x along p, and p to the next direction; `product` = A·p. A row that
 * has converged stays (its residual is all rounding); NaN passes on, to be found at the end. */
static void step_row(float *x, float *residual, float *p, const float *product, double *norm,
                     uint32_t rank)
{
    double curvature = dot(p, product, rank);
    if (*norm <= 1e-20 || curvature <= 0)
        return;
    float length = (float)(*norm / curvature);
    add_scaled(length, p, x, rank);
    add_scaled(-length, product, residual, rank);
    double next = dot(residual, residual, rank);
    turn((float)(next / *norm), residual, p, rank);
    *norm = next;
}

static void solve_block(const Sweep *sweep, const uint32_t *row, uint32_t n, Scratch *scratch)
{
    uint32_t rank = sweep->own->rank;
    float confidence = sweep->params->confidence;
    float regularization[BLOCK_ROWS];
    double norm[BLOCK_ROWS];
    gather_block(sweep, row, n, scratch);

    /* residual = b - A·x, and the first direction */
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)n, (int)rank, (int)rank, -1,
                scratch->x, (int)rank, sweep->gram, (int)rank, 0, scratch->residual, (int)rank);
    add_block(sweep, row, n, &(CellTerm){1, -1, confidence}, scratch, scratch->x,
              scratch->residual);
    for (uint32_t i = 0; i < n; i++) {
        float *residual = scratch->residual + (size_t)i * rank;
        regularization[i] = row_regularization(sweep, row[i]);
        add_scaled(-regularization[i], scratch->x + (size_t)i * rank, residual, rank);
        norm[i] = dot(residual, residual, rank);
    }
    memcpy(scratch->direction, scratch->residual, (size_t)n * rank * sizeof(float));

    for (unsigned step = 0; step < sweep->params->steps; step++) {
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)n, (int)rank, (int)rank, 1,
                    scratch->direction, (int)rank, sweep->gram, (int)rank, 0, scratch->product,
                    (int)rank);
        add_block(sweep, row, n, &(CellTerm){0, 1, confidence}, scratch, scratch->direction,
                  scratch->product);
        for (uint32_t i = 0; i < n; i++) {
            size_t at = (size_t)i * rank;
            add_scaled(regularization[i], scratch->direction + at, scratch->product + at, rank);
            step_row(scratch->x + at, scratch->residual + at, scratch->direction + at,
                     scratch->product + at, &norm[i], rank);
        }
    }
    for (uint32_t i = 0; i < n; i++)
        memcpy(sweep->own->data + (size_t)row[i] * rank, scratch->x + (size_t)i * rank,
               rank * sizeof(float));
}

static bool solve_blocks(void *context, uint64_t begin, uint64_t end, unsigned worker,
                         GError **error)
{
    const Sweep *sweep = context;
    const SweepPlan *plan = sweep->plan;
    for (uint64_t b = begin; b < end; b++)
        solve_block(sweep, plan->row + plan->block[b], plan->block[b + 1] - plan->block[b],
                    &sweep->scratch[worker]);
    return true;
}

static void space_free(SweepSpace *space)
{
    if (!space)
        return;
    for (unsigned i = 0; i < space->threads; i++)
        free(space->scratch[i].memory);
    g_free(space->scratch);
    g_free(space->gram);
    g_free(space);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SweepSpace, space_free)

static bool scratch_init(Scratch *scratch, uint32_t rank, GError **error)
{
    size_t block = (size_t)BLOCK_ROWS * rank;
    float *memory = factors_alloc(scratch_floats(rank), error);
    if (!memory)
        return false;
    *scratch = (Scratch){.memory = memory,
                         .x = memory,
                         .residual = memory + block,
                         .direction = memory + 2 * block,
                         .product = memory + 3 * block,
                         .gathered = memory + 4 * block};
    scratch->column = (uint32_t *)(scratch->gathered + (size_t)gather_cells(rank) * rank);
    return true;
}

static SweepSpace *space_new(unsigned threads, uint32_t rank, GError **error)
{
    g_autoptr(SweepSpace) space = g_new0(SweepSpace, 1);
    space->gram = g_try_new(float, (size_t)rank *rank);
    if (!space->gram) {
        error_set(error, ERR_NO_MEMORY, "no memory for the products of %u factors", rank);
        return NULL;
    }
    space->scratch = g_new0(Scratch, threads);
    for (; space->threads < threads; space->threads++)
        if (!scratch_init(&space->scratch[space->threads], rank, error))
            return NULL;
    return g_steal_pointer(&space);
}

static bool make_room(SweepPlan *plan, unsigned threads, uint32_t rank, GError **error)
{
    if (plan->space && plan->space->threads >= threads)
        return true;
    space_free(plan->space);
    plan->space = space_new(threads, rank, error);
    return plan->space != NULL;
}

bool half_sweep(SweepPlan *plan, const SolveParams *params, const Factors *other, Factors *own,
                unsigned threads, const Cancel *cancel, GError **error)
{
    unsigned workers = parallel_threads(threads);
    if (!make_room(plan, workers, own->rank, error) ||
        !factors_gram(other, plan->space->gram, threads, cancel, error))
        return false;
    Sweep sweep = {plan, params, other, own, plan->space->gram, plan->space->scratch};
    return parallel_for(plan->n_blocks, 1, workers, solve_blocks, &sweep, cancel, error);
}

/* Longest rows first (so that no thread is left alone with one at the end), by counting. */
static bool sort_rows(SweepPlan *plan, GError **error)
{
    const Csr *weights = plan->weights;
    uint64_t longest = 0;
    for (uint32_t r = 0; r < weights->rows; r++)
        longest = MAX(longest, weights->start[r + 1] - weights->start[r]);
    g_autofree uint32_t *at = g_try_new0(uint32_t, longest + 2);
    if (!at) {
        error_set(error, ERR_NO_MEMORY, "no memory to order %u rows", weights->rows);
        return false;
    }
    /* at[d + 1] counts rows that are d shorter than the longest, then says where they begin */
    for (uint32_t r = 0; r < weights->rows; r++)
        at[longest - (weights->start[r + 1] - weights->start[r]) + 1]++;
    for (uint64_t d = 1; d <= longest; d++)
        at[d] += at[d - 1];
    plan->n_rows = at[longest];
    for (uint32_t r = 0; r < weights->rows; r++) {
        uint64_t shorter = longest - (weights->start[r + 1] - weights->start[r]);
        if (shorter < longest)
            plan->row[at[shorter]++] = r;
    }
    return true;
}

static void cut_blocks(SweepPlan *plan, uint32_t rank)
{
    const Csr *weights = plan->weights;
    uint64_t cells = 0;
    uint32_t rows = 0;
    for (uint32_t i = 0; i < plan->n_rows; i++) {
        uint64_t length = weights->start[plan->row[i] + 1] - weights->start[plan->row[i]];
        if (i == 0 || rows == BLOCK_ROWS || cells + length > gather_cells(rank)) {
            plan->block[plan->n_blocks++] = i;
            cells = rows = 0;
        }
        cells += length;
        rows++;
    }
    plan->block[plan->n_blocks] = plan->n_rows;
}

SweepPlan *sweep_plan_new(const Csr *weights, uint32_t rank, GError **error)
{
    g_autoptr(SweepPlan) plan = g_new0(SweepPlan, 1);
    plan->weights = weights;
    plan->row = g_try_new(uint32_t, MAX(weights->rows, 1));
    plan->block = g_try_new(uint32_t, (size_t)weights->rows + 1);
    if (!plan->row || !plan->block) {
        error_set(error, ERR_NO_MEMORY, "no memory to order %u rows", weights->rows);
        return NULL;
    }
    if (!sort_rows(plan, error))
        return NULL;
    cut_blocks(plan, rank);
    return g_steal_pointer(&plan);
}

void sweep_plan_free(SweepPlan *plan)
{
    if (!plan)
        return;
    g_free(plan->row);
    g_free(plan->block);
    space_free(plan->space);
    g_free(plan);
}
