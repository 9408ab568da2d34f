/* Mapped columns in answers: which of them a request asks for, and their values for a product. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/faults.h"
#include "base/json.h"
#include "http/request.h"
#include "index/mapped.h"
#include "index/snapshot.h"

#define MAPPED_MAX 64

typedef struct Mapped {
    const Column *columns[MAPPED_MAX]; /* borrowed from the snapshot */
    size_t n;
} Mapped;

/* Reads the query parameter `fields`: names separated by commas, or *. Unknown names are faults. */
void mapped_read(Mapped *mapped, const Snapshot *snapshot, const Request *request, Faults *faults);

/* The member `fields` with the values for an item; nothing when none were asked for. */
void mapped_write(const Mapped *mapped, uint32_t item, JsonWriter *json);

/* The value of a row of a column: a text, a number, an array of several texts, or null. */
void mapped_write_cell(const Column *column, uint32_t row, JsonWriter *json);
