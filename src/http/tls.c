#include "tls.h"

#include <string.h>

#include <sodium.h>

#include "base/error.h"

static bool read_pem(const char *path, char **text, GError **error)
{
    g_autoptr(GError) fault = NULL;
    if (g_file_get_contents(path, text, NULL, &fault))
        return true;
    error_set(error, ERR_INVALID, "cannot read the TLS file: %s", fault->message);
    return false;
}

bool tls_init(Tls *tls, const Settings *settings, GError **error)
{
    *tls = (Tls){0};
    if (!settings->tls_certificate || !settings->tls_key)
        return true;
    if (read_pem(settings->tls_certificate, &tls->certificate, error) &&
        read_pem(settings->tls_key, &tls->key, error))
        return true;
    tls_clear(tls);
    return false;
}

void tls_clear(Tls *tls)
{
    if (tls->key)
        sodium_memzero(tls->key, strlen(tls->key));
    g_free(tls->certificate);
    g_free(tls->key);
    *tls = (Tls){0};
}
