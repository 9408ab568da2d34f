#include "details.h"

#include "base/buffer.h"
#include "base/json.h"
#include "learn/relations.h"

char *details_write(const Dataset *view, const Fitted *fitted, unsigned threads,
                    const Cancel *cancel, GError **error)
{
    g_autofree Relations *relations = relations_find(view, threads, cancel, error);
    if (!relations)
        return NULL;
    g_auto(Buffer) text;
    buffer_init(&text);
    JsonWriter json;
    json_writer_init(&json, &text);
    json_begin_object(&json);
    json_key(&json, "relations");
    relations_write(relations, view->items, &json);
    json_key(&json, "importance");
    if (fitted->learner->importance)
        fitted->learner->importance(fitted, &json);
    else
        json_null(&json);
    json_end_object(&json);
    return g_strdup(buffer_text(&text));
}
