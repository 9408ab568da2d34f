#include "number_bands.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"

#define EDGE_TEXT     CLOCK_TEXT_MAX
#define DATE_LENGTH   10
#define DAY_SECONDS   86400.0
/* A float holds the seconds of a day's beginning to some minutes. */
#define SLACK_SECONDS 600.0

/* Times are told apart by day. */
static float scale(ColumnKind kind, float number)
{
    return kind == COLUMN_TIME ? (float)floor((number + SLACK_SECONDS) / DAY_SECONDS) : number;
}

static int ascending(const void *left, const void *right)
{
    float a = *(const float *)left, b = *(const float *)right;
    return (a > b) - (a < b);
}

/* Fills the edges; how many. */
static uint32_t find_edges(const float *sorted, uint32_t n, uint32_t bands, float *edge)
{
    uint32_t n_edges = 0;
    for (uint32_t b = 1; b < bands; b++) {
        uint32_t below = (uint32_t)((uint64_t)n * b / bands);
        float highest = sorted[below > 0 ? below - 1 : 0];
        bool is_new = n_edges == 0 || highest > edge[n_edges - 1];
        if (is_new && highest < sorted[n - 1])
            edge[n_edges++] = highest;
    }
    return n_edges;
}

/* As short as tells it from every other number. */
static void write_edge(ColumnKind kind, float edge, char *text)
{
    if (kind == COLUMN_TIME) {
        clock_format((int64_t)edge * US_PER_DAY, text);
        text[DATE_LENGTH] = '\0';
        return;
    }
    g_ascii_formatd(text, EDGE_TEXT, "%.6g", edge);
    if ((float)g_ascii_strtod(text, NULL) != edge)
        g_ascii_formatd(text, EDGE_TEXT, "%.9g", edge);
}

static bool name_band(NumberBands *bands, uint32_t band, uint32_t n, GError **error)
{
    char low[EDGE_TEXT] = "", high[EDGE_TEXT] = "", name[2 * EDGE_TEXT + 16];
    int length;
    if (band > 0)
        write_edge(bands->kind, bands->edge[band - 1], low);
    if (band + 1 < n)
        write_edge(bands->kind, bands->edge[band], high);
    if (n == 1)
        length = snprintf(name, sizeof name, "any");
    else if (band == 0)
        length = snprintf(name, sizeof name, "up to %s", high);
    else if (band + 1 == n)
        length = snprintf(name, sizeof name, "over %s", low);
    else
        length = snprintf(name, sizeof name, "over %s up to %s", low, high);
    return ids_add(bands->named.values, name, (size_t)length, error) != IDS_NONE;
}

NumberBands *number_bands_new(const Column *column, float *number, uint32_t n, uint32_t most,
                              GError **error)
{
    g_autoptr(NumberBands) bands = g_new0(NumberBands, 1);
    bands->kind = column->kind;
    for (uint32_t i = 0; i < n; i++)
        number[i] = scale(column->kind, number[i]);
    qsort(number, n, sizeof *number, ascending);
    uint32_t n_bands = 1 + find_edges(number, n, MIN(most, NUMBER_BANDS_MAX), bands->edge);
    bands->named = (Column){.name = column->name, .kind = COLUMN_CATEGORICAL, .values = ids_new()};
    for (uint32_t band = 0; band < n_bands; band++) {
        if (!name_band(bands, band, n_bands, error))
            return NULL;
    }
    return g_steal_pointer(&bands);
}

void number_bands_free(NumberBands *bands)
{
    if (!bands)
        return;
    ids_free(bands->named.values);
    g_free(bands);
}

uint32_t number_bands_find(const NumberBands *bands, float number)
{
    uint32_t band = 0;
    float scaled = scale(bands->kind, number);
    while (band + 1 < ids_count(bands->named.values) && scaled > bands->edge[band])
        band++;
    return band;
}
