/* The certificate and key that TLS starts with. */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "base/config.h"

typedef struct Tls {
    char *certificate, *key; /* PEM texts; NULL: no TLS */
} Tls;

/* Reads the files that the settings name, if they do. ERR_INVALID. */
bool tls_init(Tls *tls, const Settings *settings, GError **error);
void tls_clear(Tls *tls);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Tls, tls_clear)
