#include "list_length.h"

#include <string.h>

#include "base/json.h"
#include "index/recommend.h"

#define LIST_LENGTH_DEFAULT 10

void list_lengths_init(ListLengths *lengths)
{
    memset(lengths, 0, sizeof *lengths);
    pthread_mutex_init(&lengths->lock, NULL);
}

void list_lengths_clear(ListLengths *lengths)
{
    pthread_mutex_destroy(&lengths->lock);
}

static unsigned read_card(const Snapshot *snapshot)
{
    size_t length = 0;
    const char *text = snapshot_card(snapshot, &length);
    g_autoptr(cJSON) card = json_parse(text, length, NULL);
    double n = card ? json_member_number(card, "n", LIST_LENGTH_DEFAULT) : LIST_LENGTH_DEFAULT;
    return n >= 1 && n <= RECOMMEND_MAX ? (unsigned)n : LIST_LENGTH_DEFAULT;
}

/* 0 when the slot holds something else. */
static unsigned look_up(ListLengths *lengths, const ListLength *wanted, ListLength *slot)
{
    pthread_mutex_lock(&lengths->lock);
    bool same = slot->version == wanted->version && slot->built_at == wanted->built_at &&
                strcmp(slot->prediction, wanted->prediction) == 0;
    unsigned n = same ? slot->n : 0;
    pthread_mutex_unlock(&lengths->lock);
    return n;
}

unsigned list_length_of(ListLengths *lengths, const Snapshot *snapshot)
{
    const char *prediction = snapshot_prediction(snapshot);
    ListLength wanted = {.version = snapshot_version(snapshot),
                         .built_at = snapshot_built_at(snapshot)};
    if (g_strlcpy(wanted.prediction, prediction, sizeof wanted.prediction) >=
        sizeof wanted.prediction)
        return read_card(snapshot);
    ListLength *slot = &lengths->slots[g_str_hash(prediction) % LIST_LENGTH_SLOTS];
    unsigned n = look_up(lengths, &wanted, slot);
    if (n)
        return n;
    wanted.n = read_card(snapshot);
    pthread_mutex_lock(&lengths->lock);
    *slot = wanted;
    pthread_mutex_unlock(&lengths->lock);
    return wanted.n;
}
