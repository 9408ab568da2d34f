#include "dense_inverse.h"

#include <math.h>

#include <cblas.h>
#include <f77blas.h>

#include "base/error.h"
#include "math/parallel.h"

/* Small matrices need many tiles to keep all threads busy, large ones few passes over memory. */
#define TILE_SMALL  192u
#define TILE_LARGE  512u
#define LARGE       8192u
#define MIRROR_TILE 64u

typedef struct Tiles {
    float *a;
    uint32_t n, size, count; /* count tiles of `size` rows each way, the last one maybe smaller */
    uint32_t step;           /* k: the tile on the diagonal whose turn it is */
    unsigned threads;
    const Cancel *cancel;
} Tiles;

static float *tile(const Tiles *tiles, uint32_t row, uint32_t col)
{
    return tiles->a + (size_t)row * tiles->size * tiles->n + (size_t)col * tiles->size;
}

static int width(const Tiles *tiles, uint32_t i)
{
    return (int)MIN(tiles->size, tiles->n - i * tiles->size);
}

/* The pair-th (row ≥ col) of a triangle counted by rows. */
static void triangle_place(uint64_t pair, uint32_t *row, uint32_t *col)
{
    uint64_t r = (uint64_t)((sqrt(8.0 * (double)pair + 1) - 1) / 2);
    while (r * (r + 1) / 2 > pair)
        r--;
    while ((r + 1) * (r + 2) / 2 <= pair)
        r++;
    *row = (uint32_t)r;
    *col = (uint32_t)(pair - r * (r + 1) / 2);
}

static uint64_t triangle(uint32_t n)
{
    return (uint64_t)n * (n + 1) / 2;
}

static bool run(Tiles *tiles, uint64_t n, ParallelBody body, GError **error)
{
    return parallel_for(n, 1, tiles->threads, body, tiles, tiles->cancel, error);
}

/* A tile on the diagonal, as LAPACK sees it: by columns, so its lower triangle is the upper. */
typedef struct Corner {
    char upper, unit;
    blasint n, stride, info;
    float *a;
} Corner;

static Corner corner(const Tiles *tiles)
{
    uint32_t k = tiles->step;
    return (Corner){'U', 'N', width(tiles, k), (blasint)tiles->n, 0, tile(tiles, k, k)};
}

/* A(i,k) := A(i,k)·L(k,k)⁻ᵀ, i > k */
static bool factor_panel(void *context, uint64_t begin, uint64_t end, unsigned worker,
                         GError **error)
{
    const Tiles *t = context;
    uint32_t k = t->step, i = k + 1 + (uint32_t)begin;
    cblas_strsm(CblasRowMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit, width(t, i),
                width(t, k), 1, tile(t, k, k), (int)t->n, tile(t, i, k), (int)t->n);
    return true;
}

/* A(i,j) -= A(i,k)·A(j,k)ᵀ, i ≥ j > k */
static bool factor_rest(void *context, uint64_t begin, uint64_t end, unsigned worker,
                        GError **error)
{
    const Tiles *t = context;
    uint32_t k = t->step, i, j;
    triangle_place(begin, &i, &j);
    i += k + 1;
    j += k + 1;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, width(t, i), width(t, j), width(t, k), -1,
                tile(t, i, k), (int)t->n, tile(t, j, k), (int)t->n, 1, tile(t, i, j), (int)t->n);
    return true;
}

/* NaN passes LAPACK unseen. */
static bool is_factored(const Corner *c)
{
    if (c->info != 0)
        return false;
    for (blasint i = 0; i < c->n; i++) {
        float pivot = c->a[(size_t)i * (size_t)c->stride + (size_t)i];
        if (!(pivot > 0) || !isfinite(pivot))
            return false;
    }
    return true;
}

/* A = LLᵀ */
static bool factor(Tiles *tiles, GError **error)
{
    for (uint32_t k = 0; k < tiles->count; k++) {
        tiles->step = k;
        Corner c = corner(tiles);
        spotrf_(&c.upper, &c.n, c.a, &c.stride, &c.info);
        if (!is_factored(&c)) {
            error_set(error, ERR_INVALID, "a matrix of %u rows is not positive definite", tiles->n);
            return false;
        }
        uint32_t below = tiles->count - k - 1;
        if (!run(tiles, below, factor_panel, error) ||
            !run(tiles, triangle(below), factor_rest, error))
            return false;
    }
    return true;
}

/* L(i,k) := -L(i,k)·L(k,k)⁻¹, i > k */
static bool invert_panel(void *context, uint64_t begin, uint64_t end, unsigned worker,
                         GError **error)
{
    const Tiles *t = context;
    uint32_t k = t->step, i = k + 1 + (uint32_t)begin;
    cblas_strsm(CblasRowMajor, CblasRight, CblasLower, CblasNoTrans, CblasNonUnit, width(t, i),
                width(t, k), -1, tile(t, k, k), (int)t->n, tile(t, i, k), (int)t->n);
    return true;
}

/* L(i,j) += L(i,k)·L(k,j), i > k > j */
static bool invert_rest(void *context, uint64_t begin, uint64_t end, unsigned worker,
                        GError **error)
{
    const Tiles *t = context;
    uint32_t k = t->step, i = k + 1 + (uint32_t)(begin / k), j = (uint32_t)(begin % k);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, width(t, i), width(t, j), width(t, k), 1,
                tile(t, i, k), (int)t->n, tile(t, k, j), (int)t->n, 1, tile(t, i, j), (int)t->n);
    return true;
}

/* L(k,j) := L(k,k)⁻¹·L(k,j), j < k */
static bool invert_row(void *context, uint64_t begin, uint64_t end, unsigned worker, GError **error)
{
    const Tiles *t = context;
    uint32_t k = t->step, j = (uint32_t)begin;
    cblas_strsm(CblasRowMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, width(t, k),
                width(t, j), 1, tile(t, k, k), (int)t->n, tile(t, k, j), (int)t->n);
    return true;
}

/* W = L⁻¹ */
static bool invert(Tiles *tiles, GError **error)
{
    for (uint32_t k = 0; k < tiles->count; k++) {
        tiles->step = k;
        uint32_t below = tiles->count - k - 1;
        if (!run(tiles, below, invert_panel, error) ||
            !run(tiles, (uint64_t)below * k, invert_rest, error) ||
            !run(tiles, k, invert_row, error))
            return false;
        Corner c = corner(tiles);
        strtri_(&c.upper, &c.unit, &c.n, c.a, &c.stride, &c.info);
    }
    return true;
}

/* W(i,j) += W(k,i)ᵀ·W(k,j), j ≤ i < k */
static bool multiply_rest(void *context, uint64_t begin, uint64_t end, unsigned worker,
                          GError **error)
{
    const Tiles *t = context;
    uint32_t k = t->step, i, j;
    triangle_place(begin, &i, &j);
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, width(t, i), width(t, j), width(t, k), 1,
                tile(t, k, i), (int)t->n, tile(t, k, j), (int)t->n, 1, tile(t, i, j), (int)t->n);
    return true;
}

/* W(k,j) := W(k,k)ᵀ·W(k,j), j < k */
static bool multiply_row(void *context, uint64_t begin, uint64_t end, unsigned worker,
                         GError **error)
{
    const Tiles *t = context;
    uint32_t k = t->step, j = (uint32_t)begin;
    cblas_strmm(CblasRowMajor, CblasLeft, CblasLower, CblasTrans, CblasNonUnit, width(t, k),
                width(t, j), 1, tile(t, k, k), (int)t->n, tile(t, k, j), (int)t->n);
    return true;
}

/* WᵀW */
static bool multiply(Tiles *tiles, GError **error)
{
    for (uint32_t k = 0; k < tiles->count; k++) {
        tiles->step = k;
        if (!run(tiles, triangle(k), multiply_rest, error) || !run(tiles, k, multiply_row, error))
            return false;
        Corner c = corner(tiles);
        slauum_(&c.upper, &c.n, c.a, &c.stride, &c.info);
    }
    return true;
}

/* Rows [begin, end) of the upper triangle from the columns of the lower. */
static bool mirror(void *context, uint64_t begin, uint64_t end, unsigned worker, GError **error)
{
    const Tiles *t = context;
    for (uint64_t first = begin; first < t->n; first += MIRROR_TILE) {
        uint64_t last = MIN(first + MIRROR_TILE, t->n);
        for (uint64_t row = begin; row < end; row++) {
            for (uint64_t col = MAX(first, row + 1); col < last; col++)
                t->a[row * t->n + col] = t->a[col * t->n + row];
        }
    }
    return true;
}

bool dense_inverse(float *a, uint32_t n, unsigned threads, const Cancel *cancel, GError **error)
{
    uint32_t size = n < LARGE ? TILE_SMALL : TILE_LARGE;
    Tiles tiles = {.a = a,
                   .n = n,
                   .size = size,
                   .count = (n + size - 1) / size,
                   .threads = threads,
                   .cancel = cancel};
    return factor(&tiles, error) && invert(&tiles, error) && multiply(&tiles, error) &&
           parallel_for(n, MIRROR_TILE, threads, mirror, &tiles, cancel, error);
}
