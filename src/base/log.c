#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"

static const char *const level_names[] = {"debug", "info", "warning", "error"};

static atomic_int least_level = LOG_INFO;
static _Thread_local const char *thread_request;

static void write_line(const char *line, size_t length)
{
    ssize_t written;
    do
        written = write(STDERR_FILENO, line, length);
    while (written < 0 && errno == EINTR);
}

static void write_pair(JsonWriter *writer, const char *name, va_list *arguments)
{
    json_key(writer, name);
    switch ((LogType)va_arg(*arguments, int)) {
    case LOG_TYPE_STRING:
        json_string(writer, va_arg(*arguments, const char *));
        break;
    case LOG_TYPE_INT:
        json_int(writer, va_arg(*arguments, int64_t));
        break;
    case LOG_TYPE_NUMBER:
        json_number(writer, va_arg(*arguments, double));
        break;
    }
}

static void write_head(JsonWriter *writer, LogLevel level, const char *message)
{
    json_key(writer, "time");
    json_time(writer, clock_now_us());
    json_key(writer, "level");
    json_string(writer, level_names[level]);
    json_key(writer, "message");
    json_string(writer, message);
    if (!thread_request)
        return;
    json_key(writer, "request_id");
    json_string(writer, thread_request);
}

void log_set_level(LogLevel level)
{
    atomic_store_explicit(&least_level, (int)level, memory_order_relaxed);
}

void log_event(LogLevel level, const char *message, ...)
{
    static const char lost[] =
        "{\"level\":\"error\",\"message\":\"a log line was lost: no memory\"}\n";
    if ((int)level < atomic_load_explicit(&least_level, memory_order_relaxed))
        return;
    g_auto(Buffer) line = {0};
    JsonWriter writer;
    json_writer_init(&writer, &line);
    json_begin_object(&writer);
    write_head(&writer, level, message);
    va_list arguments;
    va_start(arguments, message);
    for (const char *name; (name = va_arg(arguments, const char *));)
        write_pair(&writer, name, &arguments);
    va_end(arguments);
    json_end_object(&writer);
    buffer_append(&line, "\n", 1);
    if (line.failed)
        write_line(lost, sizeof lost - 1);
    else
        write_line(line.data, line.length);
}

void log_failure(const char *message, const GError *error)
{
    ErrorCode code = error_code(error);
    log_event(code == ERR_CANCELLED ? LOG_INFO : LOG_ERROR, message, "code",
              LOG_STRING(error_slug(code)), "error", LOG_STRING(error ? error->message : NULL),
              NULL);
}

void log_set_request(const char *request_id)
{
    thread_request = request_id;
}
