/* Structured log: one JSON object per line on standard error, written with one write(2).
 *   log_event(LOG_INFO, "training finished", "job", LOG_STRING(id), "seconds", LOG_NUMBER(3.2),
 * NULL); Secrets, SQL text and request bodies are never logged. Thread-safe. */
#pragma once

#include <stdint.h>

#include <glib.h>

typedef enum LogLevel { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR } LogLevel;

typedef enum LogType { LOG_TYPE_STRING = 1, LOG_TYPE_INT, LOG_TYPE_NUMBER } LogType;

#define LOG_STRING(x) LOG_TYPE_STRING, (const char *)(x)
#define LOG_INT(x)    LOG_TYPE_INT, (int64_t)(x)
#define LOG_NUMBER(x) LOG_TYPE_NUMBER, (double)(x)

/* Lines below `level` are dropped. Default LOG_INFO. */
void log_set_level(LogLevel level);

/* Pairs of name and LOG_…(value), ended by NULL. The time, the level and the thread's request id
 * come by themselves. */
void log_event(LogLevel level, const char *message, ...) G_GNUC_NULL_TERMINATED;

/* Logs `error` with its slug at LOG_ERROR (LOG_INFO when cancelled). */
void log_failure(const char *message, const GError *error);

/* The request id (or NULL) that this thread's lines carry until changed; borrowed. */
void log_set_request(const char *request_id);
