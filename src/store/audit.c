#include "store/audit.h"

#include "state.h"

bool audit_append(Store *store, const char *key_id, const char *operation, const char *target,
                  int status, const char *request_id, GError **error)
{
    static const char sql[] = "INSERT INTO audit (key_id, operation, target, status, request_id) "
                              "VALUES ($1, $2, $3, $4, $5)";
    g_autofree char *status_text = g_strdup_printf("%d", status);
    g_autofree char *target_text = state_text(target, 2000);
    const char *values[] = {key_id, operation, target_text, status_text, request_id};
    g_autoptr(PGresult) result = state_query(store, sql, 5, values, error);
    return result != NULL;
}
