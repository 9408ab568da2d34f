#include "configuration.h"

#include "base/error.h"
#include "resource.h"

/* A model that vanished is the prediction's fault, not the path's. */
static Model *load_model(Api *api, const char *id, GError **error)
{
    g_autoptr(GError) failure = NULL;
    Model *model = resource_load(&MODELS, api, id, &failure);
    if (!model && error_code(failure) == ERR_NOT_FOUND)
        error_set(error, ERR_NOT_READY, "%s", failure->message);
    else if (!model)
        g_propagate_error(error, g_steal_pointer(&failure));
    return model;
}

static bool load_signals(Api *api, Configuration *configuration, GError **error)
{
    const PredictionModels *models = &configuration->prediction->models;
    configuration->signals = g_new0(Model *, models->n_signals + 1);
    for (size_t s = 0; s < models->n_signals; s++) {
        configuration->signals[s] = load_model(api, models->signals[s].model, error);
        if (!configuration->signals[s])
            return false;
    }
    return true;
}

Configuration *configuration_load(Api *api, const char *prediction, GError **error)
{
    g_autoptr(Configuration) configuration = g_new0(Configuration, 1);
    configuration->prediction = resource_load(&PREDICTIONS, api, prediction, error);
    if (!configuration->prediction || !prediction_check_complete(configuration->prediction, error))
        return NULL;
    const PredictionModels *models = &configuration->prediction->models;
    if (!(configuration->users = load_model(api, models->users, error)) ||
        !(configuration->events = load_model(api, models->events, error)) ||
        !(configuration->products = load_model(api, models->products, error)) ||
        !load_signals(api, configuration, error))
        return NULL;
    configuration->source = settings_find_source(api->settings, configuration->events->source);
    if (configuration->source)
        return g_steal_pointer(&configuration);
    error_set(error, ERR_NOT_READY, "source \"%s\" is not in the settings",
              configuration->events->source);
    return NULL;
}

void configuration_free(Configuration *configuration)
{
    if (!configuration)
        return;
    for (size_t s = 0; configuration->signals && configuration->signals[s]; s++)
        model_free(configuration->signals[s]);
    g_free(configuration->signals);
    prediction_free(configuration->prediction);
    model_free(configuration->users);
    model_free(configuration->events);
    model_free(configuration->products);
    g_free(configuration);
}
