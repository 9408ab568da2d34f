/* Settings: config/shortlist.ini, overridden by SHORTLIST_<SECTION>_<NAME> in the environment, or
 * by SHORTLIST_<SECTION>_<NAME>_FILE naming a file that holds the value (secrets). One table in
 * config.c gives each setting its section, name, type, limits, default and help; loading, --help,
 * the shipped ini and its test follow from it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

/* A shop's database: a section [source NAME]; in the environment SHORTLIST_SOURCE_<NAME>_…, the
 * name in upper case with - as _. */
typedef struct SourceSettings {
    char *name;                    /* [a-z][a-z0-9_-]{0,39} */
    char *connection;              /* libpq connection string: a secret, required */
    char *output_schema;           /* where our tables go; default "shortlist" */
    char *reader_role;             /* gets SELECT on the output, or NULL */
    uint32_t statement_timeout_ms; /* default 10 min */
} SourceSettings;

typedef struct Settings {
    /* [server] */
    char *listen_address;        /* default 127.0.0.1 */
    uint16_t port;               /* default 8080; 0 takes any free one and says which */
    uint32_t http_threads;       /* default 0: number of cores */
    uint32_t offload_threads;    /* default 4: requests that ask PostgreSQL or scan */
    uint32_t request_body_max;   /* bytes, default 1 MiB, at most 1 MiB */
    uint32_t header_max;         /* bytes of a whole header block, default 6 KiB */
    uint32_t target_max;         /* bytes of path and query, default 4096 */
    uint32_t request_timeout_ms; /* absolute deadline for receiving one request, default 30 s */
    uint32_t idle_timeout_ms;    /* keep-alive without a request, default 60 s */
    uint32_t connections_max;    /* default 1000 */
    uint32_t rate_per_second;    /* per key; 0 is no limit; default 0 */
    uint32_t drain_timeout_ms;   /* default 20 s */
    char *tls_certificate;       /* PEM path or NULL; with tls_key */
    char *tls_key;
    char *log_level; /* debug info warning error */
    /* [state] */
    char *state_connection;   /* our own tables: a secret, required */
    char *state_schema;       /* default "shortlist_state" */
    uint32_t jobs_keep_days;  /* of jobs that ended, default 90 */
    uint32_t audit_keep_days; /* default 365 */
    /* [data] */
    char *data_dir;         /* snapshots; default /var/lib/shortlist */
    uint32_t versions_kept; /* per prediction, default 3, 1 to 100 */
    /* [jobs] */
    uint32_t workers;          /* jobs at once, default 1, 0 to 64 */
    uint32_t training_threads; /* cores of one training, default 0: all */
    uint32_t lease_ms;         /* default 60000 */
    uint32_t poll_ms;          /* slow poll behind NOTIFY, default 2000 */
    uint64_t memory_budget;    /* bytes one training may need; 0: three quarters of the machine */
    SourceSettings *sources;
    size_t n_sources;
} Settings;

/* Reads `path` (NULL: only defaults and environment) and the environment `environ`-style array.
 * NULL with ERR_INVALID and one line that names file, line or variable, the setting and its rule,
 * with a near miss for an unknown name. */
Settings *settings_load(const char *path, char *const *environment, GError **error);
void settings_free(Settings *settings);

/* NULL when there is none. */
const SourceSettings *settings_find_source(const Settings *settings, const char *name);

/* The table as text: name, default, limits, help; for --help and the test of the shipped ini. */
char *settings_help(void);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Settings, settings_free)
