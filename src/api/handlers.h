/* One handler per operation of the route table. */
#pragma once

#include "http/request.h"
#include "http/response.h"

#define HANDLER(name) void name(Request *request, Response *response, void *context)

HANDLER(health_live);
HANDLER(health_ready);
HANDLER(health_openapi);
HANDLER(metrics_get);

HANDLER(sources_list);
HANDLER(sources_tables);
HANDLER(sources_check);

HANDLER(models_create);
HANDLER(models_list);
HANDLER(models_get);
HANDLER(models_update);
HANDLER(models_delete);
HANDLER(models_profile);
HANDLER(models_preview);

HANDLER(predictions_create);
HANDLER(predictions_list);
HANDLER(predictions_get);
HANDLER(predictions_update);
HANDLER(predictions_delete);
HANDLER(predictions_validate);
HANDLER(predictions_estimate);

HANDLER(trainings_start);
HANDLER(jobs_list_all);
HANDLER(jobs_get_one);
HANDLER(jobs_cancel_one);
HANDLER(jobs_stream);

HANDLER(versions_quality);
HANDLER(versions_list_all);
HANDLER(versions_get_one);
HANDLER(versions_activate_one);
HANDLER(versions_details);

HANDLER(backtests_start);
HANDLER(backtests_list_all);
HANDLER(backtests_get_one);

HANDLER(columns_list);
HANDLER(columns_values);
HANDLER(columns_refresh);

HANDLER(users_recommend);
HANDLER(users_get);
HANDLER(products_popular);

HANDLER(audiences_create);
HANDLER(audiences_list);
HANDLER(audiences_get);
HANDLER(audiences_update);
HANDLER(audiences_delete);
HANDLER(audiences_members);
HANDLER(audiences_table);

HANDLER(keys_create_one);
HANDLER(keys_list_all);
HANDLER(keys_delete_one);
