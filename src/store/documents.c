#include "store/documents.h"

#include "base/error.h"
#include "documents_replace.h"
#include "state.h"

#define COLUMNS "id, body, revision, " STATE_TIME("created_at") ", " STATE_TIME("updated_at")

static const char *const kinds[] = {
    [DOCUMENT_MODEL] = "model",
    [DOCUMENT_PREDICTION] = "prediction",
    [DOCUMENT_AUDIENCE] = "audience",
};

static void clear_document(Document *document)
{
    g_free(document->id);
    g_free(document->body);
}

static void read_row(const PGresult *result, int row, Document *document)
{
    document->id = g_strdup(db_text(result, row, "id"));
    document->body = g_strdup(db_text(result, row, "body"));
    document->revision = db_int(result, row, "revision");
    document->created_at = db_int(result, row, "created_at");
    document->updated_at = db_int(result, row, "updated_at");
}

static Document *first_row(const PGresult *result)
{
    Document *document = g_new0(Document, 1);
    read_row(result, 0, document);
    return document;
}

static void set_not_found(DocumentKind kind, const char *id, GError **error)
{
    error_set(error, ERR_NOT_FOUND, "there is no %s \"%s\"", kinds[kind], id);
}

void documents_set_missed(Store *store, DocumentKind kind, const char *id, GError **error)
{
    g_autoptr(Document) now = documents_get(store, kind, id, error);
    if (now)
        error_set(error, ERR_PRECONDITION_FAILED,
                  "%s \"%s\" has changed meanwhile: its revision is %" G_GINT64_FORMAT, kinds[kind],
                  id, now->revision);
}

Document *documents_create(Store *store, DocumentKind kind, const char *id, const char *body,
                           GError **error)
{
    static const char sql[] = "INSERT INTO document (kind, id, body) VALUES ($1, $2, $3) "
                              "ON CONFLICT DO NOTHING RETURNING " COLUMNS;
    const char *values[] = {kinds[kind], id, body};
    g_autoptr(PGresult) result = state_query(store, sql, 3, values, error);
    if (!result)
        return NULL;
    if (PQntuples(result) == 0) {
        error_set(error, ERR_CONFLICT, "%s \"%s\" exists already", kinds[kind], id);
        return NULL;
    }
    return first_row(result);
}

Document *documents_get(Store *store, DocumentKind kind, const char *id, GError **error)
{
    static const char sql[] = "SELECT " COLUMNS " FROM document WHERE kind = $1 AND id = $2";
    const char *values[] = {kinds[kind], id};
    g_autoptr(PGresult) result = state_query(store, sql, 2, values, error);
    if (!result)
        return NULL;
    if (PQntuples(result) == 0) {
        set_not_found(kind, id, error);
        return NULL;
    }
    return first_row(result);
}

Documents *documents_list(Store *store, DocumentKind kind, const char *after, size_t limit,
                          const char *holding, GError **error)
{
    static const char sql[] = "SELECT " COLUMNS " FROM document "
                              "WHERE kind = $1 AND id > coalesce($2, '') "
                              "AND ($3::jsonb IS NULL OR body @> $3::jsonb) "
                              "ORDER BY id LIMIT $4::bigint + 1";
    g_autofree char *rows = g_strdup_printf("%zu", limit);
    const char *values[] = {kinds[kind], after, holding, rows};
    g_autoptr(PGresult) result = state_query(store, sql, 4, values, error);
    if (!result)
        return NULL;
    Documents *documents = g_new0(Documents, 1);
    documents->n = MIN((size_t)PQntuples(result), limit);
    documents->more = (size_t)PQntuples(result) > limit;
    documents->list = g_new0(Document, documents->n);
    for (size_t i = 0; i < documents->n; i++)
        read_row(result, (int)i, &documents->list[i]);
    return documents;
}

/* $1 to $4: kind, id, the revision that it must have, the body. */
static const char REPLACE[] = "UPDATE document SET body = $4, revision = revision + 1, "
                              "updated_at = now() WHERE kind = $1 AND id = $2 AND revision = $3 "
                              "RETURNING " COLUMNS;

Document *documents_replace_row(PGconn *connection, DocumentKind kind, const char *id,
                                int64_t revision, const char *body, GError **error)
{
    g_autofree char *expected = g_strdup_printf("%" G_GINT64_FORMAT, revision);
    const char *values[] = {kinds[kind], id, expected, body};
    g_autoptr(PGresult) result = db_query(connection, REPLACE, 4, values, error);
    return result && PQntuples(result) == 1 ? first_row(result) : NULL;
}

Document *documents_replace(Store *store, DocumentKind kind, const char *id, int64_t revision,
                            const char *body, GError **error)
{
    g_autofree char *expected = g_strdup_printf("%" G_GINT64_FORMAT, revision);
    const char *values[] = {kinds[kind], id, expected, body};
    g_autoptr(PGresult) result = state_query(store, REPLACE, 4, values, error);
    if (!result)
        return NULL;
    if (PQntuples(result) == 0) {
        documents_set_missed(store, kind, id, error);
        return NULL;
    }
    return first_row(result);
}

bool documents_remove(Store *store, DocumentKind kind, const char *id, int64_t revision,
                      GError **error)
{
    static const char sql[] = "DELETE FROM document WHERE kind = $1 AND id = $2 AND revision = $3 "
                              "RETURNING id";
    g_autofree char *expected = g_strdup_printf("%" G_GINT64_FORMAT, revision);
    const char *values[] = {kinds[kind], id, expected};
    g_autoptr(PGresult) result = state_query(store, sql, 3, values, error);
    if (!result)
        return false;
    if (PQntuples(result) == 1)
        return true;
    documents_set_missed(store, kind, id, error);
    return false;
}

void document_free(Document *document)
{
    if (!document)
        return;
    clear_document(document);
    g_free(document);
}

void documents_free(Documents *documents)
{
    if (!documents)
        return;
    for (size_t i = 0; i < documents->n; i++)
        clear_document(&documents->list[i]);
    g_free(documents->list);
    g_free(documents);
}
