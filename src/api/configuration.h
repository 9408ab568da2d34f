/* A complete prediction with its models and their source, as it is configured now. */
#pragma once

#include <glib.h>

#include "api/api.h"
#include "spec/model.h"
#include "spec/prediction.h"

typedef struct Configuration {
    Prediction *prediction;
    Model *users, *events, *products;
    Model **signals;              /* prediction->models.n_signals */
    const SourceSettings *source; /* borrowed from the settings */
} Configuration;

/* ERR_NOT_FOUND; ERR_NOT_READY naming what is missing; ERR_UNAVAILABLE. */
Configuration *configuration_load(Api *api, const char *prediction, GError **error);
void configuration_free(Configuration *configuration);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Configuration, configuration_free)
