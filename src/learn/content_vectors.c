#include "content_vectors.h"

#include <math.h>

#include "base/error.h"
#include "math/parallel.h"
#include "sparse_slots.h"

#define BLOCK          256u
#define CHECK_ITEMS    1024u
#define WORD_BYTES     64u /* what is longer is cut */
#define WORDS_MIN      (UINT64_C(1) << 16)
#define WORDS_PER_ITEM 4u
#define DOCUMENTS_MIN  2u
#define DOCUMENTS_MAX  2000u
#define SHARE_MAX      3u /* a token of more than 1 / SHARE_MAX of the products is dropped */

/* For the estimate: a word with its places in the dictionary, and values of columns. */
#define BYTES_PER_WORD  96u
#define VALUES_PER_ITEM 2u

/* Tokens are numbered: the values of column c from first[c] on, then the words. */
typedef struct Tokens {
    const Dataset *view;
    uint32_t *first; /* of each column; IDS_NONE: without tokens of its own */
    uint32_t n_values, words_max;
    Ids *words;
    bool is_open;     /* words are still added */
    float *weight;    /* of each token; 0: dropped */
    uint32_t *column; /* of each token in the matrix */
    uint32_t n_columns;
} Tokens;

/* What one thread knows of the product it reads. */
typedef struct Reading {
    uint32_t *reader; /* of each token: the product + 1 that it was found in last */
    Scored *found;    /* the product's tokens, each once */
    uint32_t n_found;
} Reading;

typedef struct Vectors {
    const Tokens *tokens;
    Reading *reading; /* threads */
    unsigned threads;
    SparseSlots *slots;
} Vectors;

static void tokens_clear(Tokens *tokens)
{
    g_free(tokens->first);
    ids_free(tokens->words);
    g_free(tokens->weight);
    g_free(tokens->column);
}

static void reading_clear(Reading *reading)
{
    g_free(reading->reader);
    g_free(reading->found);
}

static void vectors_clear(Vectors *vectors)
{
    for (unsigned t = 0; vectors->reading && t < vectors->threads; t++)
        reading_clear(&vectors->reading[t]);
    g_free(vectors->reading);
    sparse_slots_free(vectors->slots);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Tokens, tokens_clear)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Reading, reading_clear)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Vectors, vectors_clear)

static bool no_memory(uint32_t n_items, GError **error)
{
    error_set(error, ERR_NO_MEMORY, "no memory for the words of %u products", n_items);
    return false;
}

static uint32_t words_most(uint32_t n_items)
{
    return (uint32_t)CLAMP((uint64_t)WORDS_PER_ITEM * n_items, WORDS_MIN, UINT32_MAX / 2);
}

static size_t n_tokens(const Tokens *tokens)
{
    return (size_t)tokens->n_values + tokens->words_max;
}

/* Numbers the values of the columns. */
static void number_values(Tokens *tokens)
{
    const Attributes *attributes = tokens->view->item_attributes;
    for (size_t c = 0; c < attributes->n_columns; c++) {
        const Column *column = &attributes->columns[c];
        bool is_whole = column->kind == COLUMN_CATEGORICAL || column->kind == COLUMN_ID;
        uint32_t n = ids_count(column->values);
        tokens->first[c] = IDS_NONE;
        if (column->is_left_out || !is_whole || n > UINT32_MAX / 2 - tokens->n_values)
            continue;
        tokens->first[c] = tokens->n_values;
        tokens->n_values += n;
    }
}

static bool tokens_alloc(Tokens *tokens, GError **error)
{
    const Dataset *view = tokens->view;
    tokens->first = g_try_new(uint32_t, MAX(view->item_attributes->n_columns, 1));
    if (!tokens->first)
        return no_memory(view->n_items, error);
    number_values(tokens);
    tokens->words_max = words_most(view->n_items);
    tokens->words = ids_new();
    tokens->weight = g_try_new0(float, n_tokens(tokens));
    tokens->column = g_try_new0(uint32_t, n_tokens(tokens));
    return (tokens->weight && tokens->column) || no_memory(view->n_items, error);
}

static bool reading_alloc(Reading *reading, const Tokens *tokens, GError **error)
{
    reading->reader = g_try_new0(uint32_t, n_tokens(tokens));
    reading->found = g_try_new(Scored, n_tokens(tokens));
    return (reading->reader && reading->found) || no_memory(tokens->view->n_items, error);
}

static void find_token(Reading *reading, uint32_t item, uint32_t token)
{
    if (reading->reader[token] == item + 1)
        return;
    reading->reader[token] = item + 1;
    reading->found[reading->n_found++].index = token;
}

typedef struct Word {
    char bytes[WORD_BYTES];
    size_t length;
    bool is_number;
} Word;

static bool is_of_word(char byte)
{
    return (unsigned char)byte >= 0x80 || g_ascii_isalnum(byte);
}

/* The first word from `at` on, of length 0 when there is none; where the next may begin. */
static const char *next_word(const char *at, const char *end, Word *word)
{
    word->length = 0;
    word->is_number = true;
    while (at < end && !is_of_word(*at))
        at++;
    for (; at < end && is_of_word(*at); at++) {
        word->is_number &= g_ascii_isdigit(*at);
        if (word->length < WORD_BYTES)
            word->bytes[word->length++] = g_ascii_tolower(*at);
    }
    return at;
}

/* IDS_NONE without an error for a word that does not take part. */
static uint32_t word_number(const Tokens *tokens, const Word *word, GError **error)
{
    if (tokens->is_open && ids_count(tokens->words) < tokens->words_max)
        return ids_add(tokens->words, word->bytes, word->length, error);
    return ids_find(tokens->words, word->bytes, word->length);
}

static bool read_text(const Tokens *tokens, const char *text, size_t length, uint32_t item,
                      Reading *reading, GError **error)
{
    const char *end = text + length;
    Word word;
    for (text = next_word(text, end, &word); word.length > 0; text = next_word(text, end, &word)) {
        if (word.length < 2 || word.is_number)
            continue;
        GError *failed = NULL;
        uint32_t number = word_number(tokens, &word, &failed);
        if (failed) {
            g_propagate_error(error, failed);
            return false;
        }
        if (number != IDS_NONE)
            find_token(reading, item, tokens->n_values + number);
    }
    return true;
}

static bool read_cell(const Tokens *tokens, size_t c, uint32_t item, Reading *reading,
                      GError **error)
{
    const Column *column = &tokens->view->item_attributes->columns[c];
    uint32_t n;
    const uint32_t *values = column_values(column, item, &n);
    for (uint32_t v = 0; v < n; v++) {
        if (tokens->first[c] != IDS_NONE) {
            find_token(reading, item, tokens->first[c] + values[v]);
            continue;
        }
        size_t length;
        const char *text = ids_get(column->values, values[v], &length);
        if (!read_text(tokens, text, length, item, reading, error))
            return false;
    }
    return true;
}

/* Fills `found`. */
static bool read_product(const Tokens *tokens, uint32_t item, Reading *reading, GError **error)
{
    const Attributes *attributes = tokens->view->item_attributes;
    reading->n_found = 0;
    for (size_t c = 0; c < attributes->n_columns; c++) {
        const Column *column = &attributes->columns[c];
        bool is_text = column->kind == COLUMN_TEXT && !column->is_left_out;
        if ((is_text || tokens->first[c] != IDS_NONE) &&
            !read_cell(tokens, c, item, reading, error))
            return false;
    }
    return true;
}

static bool count_products(Tokens *tokens, uint32_t *products, const Cancel *cancel, GError **error)
{
    g_auto(Reading) reading = {0};
    if (!reading_alloc(&reading, tokens, error))
        return false;
    tokens->is_open = true;
    for (uint32_t item = 0; item < tokens->view->n_items; item++) {
        if (item % CHECK_ITEMS == 0 && !cancel_check(cancel, error))
            return false;
        if (!read_product(tokens, item, &reading, error))
            return false;
        for (uint32_t f = 0; f < reading.n_found; f++)
            products[reading.found[f].index]++;
    }
    tokens->is_open = false;
    return true;
}

/* Reads all products once: the words there are, and what each token weighs. */
static bool weigh_tokens(Tokens *tokens, const Cancel *cancel, GError **error)
{
    uint32_t n_items = tokens->view->n_items;
    g_autofree uint32_t *products = g_try_new0(uint32_t, n_tokens(tokens));
    if (!products)
        return no_memory(n_items, error);
    if (!count_products(tokens, products, cancel, error))
        return false;
    for (size_t t = 0; t < n_tokens(tokens); t++) {
        if (products[t] < DOCUMENTS_MIN || products[t] > MIN(n_items / SHARE_MAX, DOCUMENTS_MAX))
            continue;
        tokens->weight[t] = (float)log((double)n_items / products[t]);
        tokens->column[t] = tokens->n_columns++;
    }
    if (tokens->n_columns > 0)
        return true;
    error_set(error, ERR_INVALID,
              "no attribute that may be looked at tells which products are alike");
    return false;
}

uint32_t content_strongest(Scored *entries, uint32_t n, uint32_t kept)
{
    double squares = 0;
    kept = MIN(n, kept);
    topk_first(entries, n, kept);
    for (uint32_t e = 0; e < kept; e++)
        squares += (double)entries[e].score * entries[e].score;
    for (uint32_t e = 0; e < kept; e++)
        entries[e].score = (float)(entries[e].score / sqrt(squares));
    return kept;
}

static bool fill_rows(void *context, uint64_t begin, uint64_t end, unsigned worker, GError **error)
{
    const Vectors *vectors = context;
    const Tokens *tokens = vectors->tokens;
    Reading *reading = &vectors->reading[worker];
    for (uint32_t item = (uint32_t)begin; item < end; item++) {
        if (!read_product(tokens, item, reading, error))
            return false;
        uint32_t n = 0;
        for (uint32_t f = 0; f < reading->n_found; f++) {
            uint32_t token = reading->found[f].index;
            if (tokens->weight[token] > 0)
                reading->found[n++] = (Scored){tokens->column[token], tokens->weight[token]};
        }
        n = content_strongest(reading->found, n, vectors->slots->width);
        sparse_slots_fill(vectors->slots, item, reading->found, n);
    }
    return true;
}

static bool vectors_alloc(Vectors *vectors, uint32_t kept, GError **error)
{
    const Tokens *tokens = vectors->tokens;
    vectors->reading = g_new0(Reading, vectors->threads);
    for (unsigned t = 0; t < vectors->threads; t++) {
        if (!reading_alloc(&vectors->reading[t], tokens, error))
            return false;
    }
    vectors->slots = sparse_slots_new(tokens->view->n_items, tokens->n_columns, kept, error);
    return vectors->slots;
}

Csr *content_vectors(const Dataset *view, uint32_t kept, const FitContext *context, GError **error)
{
    g_auto(Tokens) tokens = {.view = view};
    if (!tokens_alloc(&tokens, error) || !weigh_tokens(&tokens, context->cancel, error))
        return NULL;
    g_auto(Vectors) vectors = {.tokens = &tokens, .threads = parallel_threads(context->threads)};
    if (!vectors_alloc(&vectors, kept, error) ||
        !parallel_for(view->n_items, BLOCK, vectors.threads, fill_rows, &vectors, context->cancel,
                      error))
        return NULL;
    return sparse_slots_finish(vectors.slots, view->n_items, NULL, error);
}

uint64_t content_tokens_most(uint32_t n_items)
{
    return words_most(n_items) + (uint64_t)VALUES_PER_ITEM * n_items;
}

uint64_t content_vectors_bytes(const FitSize *size, uint32_t kept)
{
    uint64_t tokens = content_tokens_most(size->n_items);
    uint64_t reading = parallel_threads(size->threads) * (sizeof(uint32_t) + sizeof(Scored));
    return (uint64_t)BYTES_PER_WORD * words_most(size->n_items) +
           tokens * (sizeof(float) + sizeof(uint32_t) + reading) +
           sparse_slots_bytes(size->n_items, kept) + size->n_items * sizeof(uint64_t);
}
