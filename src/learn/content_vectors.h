/* Products as vectors of what describes them. Tokens are the values of the categorical and id
 * columns, each whole and of its own column ("red" as a colour is not "red" as a brand), and the
 * words of the text columns, which all of these share: runs of ASCII letters, digits and bytes from
 * 0x80 on, in lower case (ASCII only), but for words of one byte and numbers. Columns that learners
 * may not look at (Column.is_left_out) are not looked at.
 *
 *     weight(token) = log(products / products with the token)
 *
 * for each of a product's tokens alike, however often it stands there (binary term frequency):
 * Salton, Buckley: Term-weighting Approaches in Automatic Text Retrieval, Information Processing &
 * Management 1988. A token of one product compares it with no other, and one of more than a third
 * of all, or of more than 2,000, tells little and costs most: these are dropped. */
#pragma once

#include <glib.h>

#include "learn/learner.h"
#include "math/csr.h"
#include "math/topk.h"

/* products × tokens: the `kept` heaviest tokens of each product, its row of length 1; empty where
 * it has none. Of the words, the first max(65536, 4 · products) distinct ones take part. The same
 * bytes on any number of threads. For csr_free(). ERR_INVALID where no token is left,
 * ERR_NO_MEMORY, ERR_CANCELLED. */
Csr *content_vectors(const Dataset *view, uint32_t kept, const FitContext *context, GError **error);

/* How many tokens of n_items products there may be, about. */
uint64_t content_tokens_most(uint32_t n_items);

/* Bytes that content_vectors() needs, its result among them. */
uint64_t content_vectors_bytes(const FitSize *size, uint32_t kept);

/* Brings the `kept` entries of the highest scores (all > 0; of equals the lower index) to the
 * front, and these to length 1; how many they are. */
uint32_t content_strongest(Scored *entries, uint32_t n, uint32_t kept);
