/* /metrics in the text format of Prometheus, 0.0.4. */
#include "handlers.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "api/api.h"
#include "state.h"
#include "version.h"

static void family(Buffer *out, const char *name, const char *type, const char *help)
{
    buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void single(Buffer *out, const char *name, const char *type, const char *help, double value)
{
    family(out, name, type, help);
    buffer_printf(out, "%s %.17g\n", name, value);
}

static void write_requests(Buffer *out, const ServerMetrics *metrics)
{
    family(out, "shortlist_http_requests_total", "counter", "Answers by operation and class.");
    for (size_t i = 0; i < metrics->n_routes; i++)
        for (int class = 1; class <= 5; class ++)
            buffer_printf(
                out, "shortlist_http_requests_total{operation=\"%s\",class=\"%dxx\"} %" PRIu64 "\n",
                metrics->routes[i].operation, class, metrics->routes[i].by_class[class]);
}

static void write_buckets(Buffer *out, const RouteMetrics *route)
{
    static const char name[] = "shortlist_http_request_duration_seconds";
    for (size_t b = 0; b < G_N_ELEMENTS(SERVER_BUCKETS_US); b++) {
        char edge[32] = "+Inf";
        if (SERVER_BUCKETS_US[b] != UINT32_MAX)
            snprintf(edge, sizeof edge, "%g", SERVER_BUCKETS_US[b] / 1e6);
        buffer_printf(out, "%s_bucket{operation=\"%s\",le=\"%s\"} %" PRIu64 "\n", name,
                      route->operation, edge, route->buckets[b]);
    }
    buffer_printf(out, "%s_sum{operation=\"%s\"} %.6f\n", name, route->operation,
                  (double)route->sum_us / 1e6);
    buffer_printf(out, "%s_count{operation=\"%s\"} %" PRIu64 "\n", name, route->operation,
                  route->count);
}

static void write_server(Buffer *out, const Api *api)
{
    Server *server = state_server(api);
    if (!server)
        return;
    ServerMetrics metrics = server_metrics(server);
    write_requests(out, &metrics);
    family(out, "shortlist_http_request_duration_seconds", "histogram",
           "From the first byte of a request to the end of its answer.");
    for (size_t i = 0; i < metrics.n_routes; i++)
        write_buckets(out, &metrics.routes[i]);
    single(out, "shortlist_http_connections", "gauge", "Open connections.",
           (double)metrics.connections_open);
    single(out, "shortlist_http_connections_total", "counter", "Connections taken.",
           (double)metrics.connections_total);
    single(out, "shortlist_http_refused_total", "counter", "Requests refused before any route.",
           (double)metrics.requests_refused);
    single(out, "shortlist_offload_waiting", "gauge", "Requests that wait for an offload thread.",
           (double)metrics.offload_waiting);
    single(out, "shortlist_offload_busy", "gauge", "Offload threads at work.",
           (double)metrics.offload_busy);
    g_free((RouteMetrics *)metrics.routes);
}

static void write_jobs(Buffer *out, const Api *api)
{
    if (!api->workers)
        return;
    WorkersStatus status = workers_status(api->workers);
    single(out, "shortlist_workers", "gauge", "Job threads.", status.threads);
    single(out, "shortlist_workers_busy", "gauge", "Job threads at work.", status.busy);
    family(out, "shortlist_jobs_total", "counter", "Attempts at jobs of this process, by outcome.");
    const struct {
        const char *outcome;
        uint64_t n;
    } outcomes[] = {{"succeeded", status.succeeded},
                    {"failed", status.failed},
                    {"cancelled", status.cancelled},
                    {"lost", status.lost}};
    for (size_t i = 0; i < G_N_ELEMENTS(outcomes); i++)
        buffer_printf(out, "shortlist_jobs_total{outcome=\"%s\"} %" PRIu64 "\n",
                      outcomes[i].outcome, outcomes[i].n);
}

static void write_register(Buffer *out, const Api *api)
{
    RegisterStatus status = register_status(api->reg);
    single(out, "shortlist_predictions_serving", "gauge", "Predictions with a version that serves.",
           (double)status.serving);
    single(out, "shortlist_snapshot_bytes", "gauge", "Bytes of mapped snapshots.",
           (double)status.bytes);
    single(out, "shortlist_snapshot_swaps_total", "counter", "Versions put into service.",
           (double)status.swaps);
    single(out, "shortlist_snapshot_damaged_total", "counter", "Snapshot files refused as damaged.",
           (double)status.damaged);
}

static double resident_bytes(void)
{
    long pages = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file)
        return 0;
    if (fscanf(file, "%ld %ld", &pages, &resident) != 2)
        resident = 0;
    fclose(file);
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static double open_files(void)
{
    double n = -3; /* . and .. and the folder itself */
    DIR *folder = opendir("/proc/self/fd");
    if (!folder)
        return 0;
    while (readdir(folder))
        n++;
    closedir(folder);
    return n;
}

static void write_process(Buffer *out)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    single(out, "process_cpu_seconds_total", "counter", "User and system time.",
           (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
               (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
    single(out, "process_resident_memory_bytes", "gauge", "Resident memory.", resident_bytes());
    single(out, "process_open_fds", "gauge", "Open files.", open_files());
}

HANDLER(metrics_get)
{
    const Api *api = context;
    Buffer *out = response_body(response, "text/plain; version=0.0.4; charset=utf-8");
    family(out, "shortlist_build_info", "gauge", "Version of the program.");
    buffer_printf(out, "shortlist_build_info{version=\"%s\"} 1\n", SHORTLIST_VERSION);
    write_server(out, api);
    write_jobs(out, api);
    write_register(out, api);
    write_process(out);
}
