/* Rows of real data in memory, as golden programs read them, and data sets made of them. Whatever
 * goes wrong ends the program with status 2 and a message. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <glib.h>

#include "data/attributes.h"
#include "data/dataset.h"

/* Texts belong to the Rows; equal text of one kind is one pointer. */
typedef struct Row {
    const char *user, *item;
    const char *order;     /* or NULL */
    const char *text;      /* of the item, as this row has it; or NULL */
    const char *user_text; /* of the user; or NULL */
    int64_t time;          /* µs */
    float quantity, price;
    bool is_signal; /* an event beside purchases */
} Row;

typedef struct Rows {
    GArray *list;  /* of Row */
    GArray *items; /* of Row: the first of each item, in order of appearance */
    GArray *users; /* of Row: the first of each user */
    GHashTable *items_seen, *users_seen;
    GStringChunk *text;
} Rows;

void rows_init(Rows *rows);
void rows_clear(Rows *rows);

/* Copies the texts. */
void rows_add(Rows *rows, const Row *row);

/* An item's or a user's attributes as columns, and how they are read from its first row. */
typedef struct RowColumns {
    size_t n;
    const char *const *names;
    const ColumnKind *kinds;
    const char *separators; /* n, or NULL */
    void (*describe)(AttributesBuilder *attributes, uint32_t number, const Row *first);
} RowColumns;

typedef struct RowsUse {
    int64_t until; /* µs: later rows are left out, their users and items are not */
    bool has_order, has_price;
    const RowColumns *columns, *user_columns; /* or NULL */
    const char *signal; /* name of the rows that are no purchases, whose weight is to be learned;
                           NULL: there are none */
} RowsUse;

/* For dataset_unref(). Users and items are numbered in order of appearance. */
Dataset *rows_build(const Rows *rows, const RowsUse *use);

/* Splits a line at `separator` in place, as CSV with quotes; returns the number of fields. */
size_t fields_split(char *line, char separator, char **field, size_t max);

/* µs of "2011-11-10", or of "2011-11-10 12:00:00". */
int64_t moment_of_text(const char *text);

/* "-" or NULL: standard input; else a file, through xz when it is compressed. For
 * input_close(). NULL when there is none of that name. */
FILE *input_open(const char *path);
void input_close(FILE *file);

_Noreturn void golden_fail(const char *what, const GError *error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Rows, rows_clear)
