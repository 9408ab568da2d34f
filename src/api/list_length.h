/* How many products a prediction's answers have when the caller does not say: the `n` of the
 * version that serves, read once from its model card. */
#pragma once

#include <pthread.h>
#include <stdint.h>

#include "index/snapshot.h"

#define LIST_LENGTH_SLOTS 64

typedef struct ListLength {
    char prediction[48];
    uint32_t version;
    int64_t built_at;
    unsigned n;
} ListLength;

typedef struct ListLengths {
    pthread_mutex_t lock; /* guards slots */
    ListLength slots[LIST_LENGTH_SLOTS];
} ListLengths;

void list_lengths_init(ListLengths *lengths);
void list_lengths_clear(ListLengths *lengths);

/* 1 to 100. Thread-safe. */
unsigned list_length_of(ListLengths *lengths, const Snapshot *snapshot);
