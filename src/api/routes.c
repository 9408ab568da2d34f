#include "api/api.h"

#include <glib.h>

#include "handlers.h"
#include "store/keys.h"

#define ADMIN  KEY_ADMIN
#define MARKET (KEY_ADMIN | KEY_MARKETER)
#define SERVE  (KEY_ADMIN | KEY_MARKETER | KEY_STOREFRONT)

#define PUBLIC  ROUTE_PUBLIC
#define INLINE  ROUTE_INLINE
#define CREATES (ROUTE_IDEMPOTENT | ROUTE_AUDITED)
#define CHANGES ROUTE_AUDITED

#define PREDICTION "/v1/predictions/{prediction}"
#define AUDIENCE   "/v1/audiences/{audience}"

// clang-format off
static const Route ROUTES[] = {
    {"GET",    "/livez",        0, PUBLIC | INLINE, health_live,    "getLiveness",  NULL},
    {"GET",    "/readyz",       0, PUBLIC,          health_ready,   "getReadiness", NULL},
    {"GET",    "/metrics",      0, PUBLIC,          metrics_get,    "getMetrics",   NULL},
    {"GET",    "/openapi.json", 0, PUBLIC | INLINE, health_openapi, "getOpenapi",   NULL},

    {"GET",    "/v1/sources",                 MARKET, INLINE, sources_list,   "listSources",      "limit cursor"},
    {"GET",    "/v1/sources/{source}/tables", MARKET, 0,      sources_tables, "listSourceTables", "limit cursor"},
    {"GET",    "/v1/sources/{source}/check",  MARKET, 0,      sources_check,  "checkSource",      "prediction"},

    {"POST",   "/v1/models",                 MARKET, CREATES, models_create,  "createModel",  NULL},
    {"GET",    "/v1/models",                 MARKET, 0,       models_list,    "listModels",   "type limit cursor"},
    {"GET",    "/v1/models/{model}",         MARKET, 0,       models_get,     "getModel",     NULL},
    {"PATCH",  "/v1/models/{model}",         MARKET, CHANGES, models_update,  "updateModel",  NULL},
    {"DELETE", "/v1/models/{model}",         MARKET, CHANGES, models_delete,  "deleteModel",  NULL},
    {"GET",    "/v1/models/{model}/profile", MARKET, 0,       models_profile, "profileModel", NULL},
    {"GET",    "/v1/models/{model}/preview", MARKET, 0,       models_preview, "previewModel", "limit"},

    {"POST",   "/v1/predictions",           MARKET, CREATES, predictions_create,   "createPrediction",   NULL},
    {"GET",    "/v1/predictions",           MARKET, 0,       predictions_list,     "listPredictions",    "limit cursor"},
    {"GET",    PREDICTION,                  MARKET, 0,       predictions_get,      "getPrediction",      NULL},
    {"PATCH",  PREDICTION,                  MARKET, CHANGES, predictions_update,   "updatePrediction",   NULL},
    {"DELETE", PREDICTION,                  MARKET, CHANGES, predictions_delete,   "deletePrediction",   NULL},
    {"GET",    PREDICTION "/validate",      MARKET, 0,       predictions_validate, "validatePrediction", NULL},
    {"GET",    PREDICTION "/estimate",      MARKET, 0,       predictions_estimate, "estimatePrediction", NULL},

    {"POST",   PREDICTION "/trainings",                   MARKET, CREATES, trainings_start,       "startTraining",   NULL},
    {"GET",    PREDICTION "/quality",                     MARKET, 0,       versions_quality,      "getQuality",      "version"},
    {"GET",    PREDICTION "/versions",                    MARKET, 0,       versions_list_all,     "listVersions",    "limit cursor"},
    {"GET",    PREDICTION "/versions/{version}",          MARKET, 0,       versions_get_one,      "getVersion",      NULL},
    {"POST",   PREDICTION "/versions/{version}/activate", MARKET, CREATES, versions_activate_one, "activateVersion", NULL},
    {"GET",    PREDICTION "/versions/{version}/details",  MARKET, 0,       versions_details,      "getVersionDetails", NULL},

    {"POST",   PREDICTION "/backtests",    MARKET, CREATES, backtests_start,    "startBacktest", NULL},
    {"GET",    PREDICTION "/backtests",    MARKET, 0,       backtests_list_all, "listBacktests", "limit cursor"},
    {"GET",    "/v1/backtests/{backtest}", MARKET, 0,       backtests_get_one,  "getBacktest",   NULL},

    {"GET",    PREDICTION "/columns",                 SERVE, 0, columns_list,   "listColumns",      NULL},
    {"GET",    PREDICTION "/columns/{column}/values", SERVE, 0, columns_values, "listColumnValues", "prefix limit cursor"},
    {"POST",   PREDICTION "/columns/refresh",         MARKET, CREATES, columns_refresh, "refreshColumns", NULL},

    {"GET",    "/v1/jobs",              MARKET, 0,       jobs_list_all,   "listJobs",        "prediction state limit cursor"},
    {"GET",    "/v1/jobs/{job}",        MARKET, 0,       jobs_get_one,    "getJob",          NULL},
    {"POST",   "/v1/jobs/{job}/cancel", MARKET, CREATES, jobs_cancel_one, "cancelJob",       NULL},
    {"GET",    "/v1/jobs/{job}/events", MARKET, 0,       jobs_stream,     "streamJobEvents", NULL},

    {"GET",    PREDICTION "/users/{user}",                 SERVE, INLINE, users_get,        "getUser",     "fields"},
    {"GET",    PREDICTION "/users/{user}/recommendations", SERVE, INLINE, users_recommend,  "recommend",   "n exclude fields"},
    {"GET",    PREDICTION "/popular",                      SERVE, INLINE, products_popular, "listPopular", "n column value fields"},

    {"POST",   "/v1/audiences",     MARKET, CREATES, audiences_create,  "createAudience",      NULL},
    {"GET",    "/v1/audiences",     MARKET, 0,       audiences_list,    "listAudiences",       "limit cursor"},
    {"GET",    AUDIENCE,            MARKET, 0,       audiences_get,     "getAudience",         NULL},
    {"PATCH",  AUDIENCE,            MARKET, CHANGES, audiences_update,  "updateAudience",      NULL},
    {"DELETE", AUDIENCE,            MARKET, CHANGES, audiences_delete,  "deleteAudience",      NULL},
    {"GET",    AUDIENCE "/members", MARKET, 0,       audiences_members, "listAudienceMembers", "format limit cursor"},
    {"POST",   AUDIENCE "/table",   MARKET, CREATES, audiences_table,   "buildAudienceTable",  NULL},

    {"POST",   "/v1/keys",       ADMIN, CHANGES, keys_create_one, "createKey", NULL},
    {"GET",    "/v1/keys",       ADMIN, 0,       keys_list_all,   "listKeys",  "limit cursor"},
    {"DELETE", "/v1/keys/{key}", ADMIN, CHANGES, keys_delete_one, "deleteKey", NULL},
};
// clang-format on

const Route *api_routes(size_t *n)
{
    *n = G_N_ELEMENTS(ROUTES);
    return ROUTES;
}
