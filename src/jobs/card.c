#include "card.h"

#include <string.h>

#include "base/json.h"

#define SCOPE_SAMPLES 5

static const char *policy_name(const ListRules *rules)
{
    switch (rules->purchased) {
    case PURCHASED_EXCLUDE:
        return "exclude";
    case PURCHASED_EXCLUDE_WITHIN:
        return "exclude_within";
    default:
        return "allow";
    }
}

static void write_data(JsonWriter *json, const CardFacts *facts)
{
    json_key(json, "data");
    json_begin_object(json);
    json_key(json, "from");
    json_time(json, facts->view->first);
    json_key(json, "to");
    json_time(json, facts->view->last);
    json_key(json, "rows");
    json_uint(json, facts->view->rows.n);
    json_key(json, "users");
    json_uint(json, facts->view->n_users);
    json_key(json, "products");
    json_uint(json, facts->view->n_items);
    json_key(json, "orders");
    json_uint(json, facts->view->n_orders);
    json_end_object(json);
}

/* The view knows what its returns took away, the raw data set all the other rules. */
static void write_dropped(JsonWriter *json, const Dataset *raw, const Dataset *view)
{
    json_key(json, "dropped");
    json_begin_array(json);
    for (unsigned rule = 0; rule < DROP_RULES; rule++) {
        const Dataset *from = rule == DROP_RETURNED ? view : raw;
        const DropCount *count = &from->dropped[rule];
        if (!count->rows)
            continue;
        json_begin_object(json);
        json_key(json, "rule");
        json_string(json, drop_rule_name(rule));
        json_key(json, "rows");
        json_uint(json, count->rows);
        json_key(json, "samples");
        json_begin_array(json);
        for (unsigned i = 0; i < count->n_samples; i++)
            json_string(json, count->samples[i]);
        json_end_array(json);
        json_end_object(json);
    }
    json_end_array(json);
}

static void write_learned(JsonWriter *json, const char *name, double value, bool is_learned)
{
    json_key(json, name);
    json_begin_object(json);
    json_key(json, "value");
    json_number(json, value);
    json_key(json, "from");
    json_string(json, is_learned ? "learned" : "given");
    json_end_object(json);
}

/* What an event of each type beside purchases counts, and which rows of it did. */
static void write_signals(JsonWriter *json, const CardFacts *facts)
{
    const SignalWeights *weights = &facts->choice->signals;
    json_key(json, "signals");
    json_begin_array(json);
    for (uint32_t s = 0; s < facts->view->n_signals; s++) {
        json_begin_object(json);
        json_key(json, "name");
        json_string(json, facts->view->signal_kinds[s].name);
        json_key(json, "model");
        json_string(json, facts->prediction->models.signals[s].model);
        json_key(json, "rows");
        json_uint(json, facts->view->signal[s]->rows.n);
        write_learned(json, "weight", weights->weight[s], weights->weight_learned[s]);
        write_learned(json, "half_life_days", weights->half_life_days[s],
                      weights->half_life_learned[s]);
        write_dropped(json, facts->raw->signal[s], facts->view->signal[s]);
        json_end_object(json);
    }
    json_end_array(json);
}

/* One rule by which users or products fell out of the scope; flags[i] == flag marks them. */
static void write_left_out(JsonWriter *json, const char *rule, uint32_t count, const Ids *ids,
                           const uint8_t *flags, uint8_t flag)
{
    if (!count)
        return;
    json_begin_object(json);
    json_key(json, "rule");
    json_string(json, rule);
    json_key(json, "count");
    json_uint(json, count);
    json_key(json, "samples");
    json_begin_array(json);
    for (uint32_t i = 0, n = 0; i < ids_count(ids) && n < SCOPE_SAMPLES; i++) {
        if (flags[i] != flag)
            continue;
        size_t length;
        const char *id = ids_get(ids, i, &length);
        json_string_n(json, id, length);
        n++;
    }
    json_end_array(json);
    json_end_object(json);
}

static void write_scope(JsonWriter *json, const CardFacts *facts)
{
    const Scope *scope = facts->scope;
    json_key(json, "scope");
    json_begin_object(json);
    json_key(json, "anchor");
    json_time(json, scope->anchor);
    json_key(json, "predictable_users");
    json_uint(json, scope->n_users);
    json_key(json, "predictable_products");
    json_uint(json, scope->n_items);
    json_key(json, "left_out");
    json_begin_array(json);
    write_left_out(json, "user_no_purchase", scope->users_never, facts->view->users, scope->user,
                   USER_NO_PURCHASE);
    write_left_out(json, "user_no_recent_purchase", scope->users_lapsed, facts->view->users,
                   scope->user, USER_NO_RECENT_PURCHASE);
    write_left_out(json, "product_no_recent_purchase", scope->items_never + scope->items_lapsed,
                   facts->view->items, scope->item, 0);
    json_end_array(json);
    json_end_object(json);
}

static void write_learner(JsonWriter *json, const CardFacts *facts)
{
    const Learner *learner = facts->fitted->learner;
    json_key(json, "learner");
    json_begin_object(json);
    json_key(json, "name");
    json_string(json, learner->name);
    json_key(json, "title");
    json_string(json, learner->title);
    json_key(json, "paper");
    json_string(json, learner->paper);
    json_key(json, "parameters");
    json_begin_object(json);
    learner->describe(facts->fitted, json);
    json_end_object(json);
    json_end_object(json);
}

static void write_timings(JsonWriter *json, const CardCourse *course)
{
    json_key(json, "timings");
    json_begin_object(json);
    for (size_t i = 0; i < course->n_timings; i++) {
        json_key(json, course->timings[i].stage);
        json_number(json, course->timings[i].seconds);
    }
    json_end_object(json);
    json_key(json, "peak_memory_bytes");
    json_uint(json, course->peak->most);
}

/* What was estimated before the start, beside what it took. */
static void write_estimate(JsonWriter *json, const CardCourse *course)
{
    if (!course->estimate)
        return;
    json_key(json, "estimate");
    json_begin_object(json);
    json_key(json, "seconds");
    json_number(json, course->estimate->seconds);
    json_key(json, "actual_seconds");
    json_number(json, course->seconds);
    json_key(json, "memory_bytes");
    json_uint(json, course->estimate->memory_bytes);
    json_key(json, "actual_memory_bytes");
    json_uint(json, course->peak->most);
    json_key(json, "memory_bytes_before");
    json_uint(json, course->peak->before);
    json_key(json, "basis");
    json_string(json, course->estimate->basis);
    json_end_object(json);
}

char *card_facts(const CardFacts *facts)
{
    g_auto(Buffer) text;
    buffer_init(&text);
    JsonWriter json;
    json_writer_init(&json, &text);
    json_key(&json, "prediction");
    json_string(&json, facts->prediction->id);
    json_key(&json, "version");
    json_int(&json, facts->job->version);
    json_key(&json, "job");
    json_string(&json, facts->job->id);
    json_key(&json, "built_at");
    json_time(&json, facts->built_at);
    json_key(&json, "n");
    json_int(&json, facts->prediction->n);
    json_key(&json, "horizon_days");
    json_int(&json, facts->prediction->horizon_days);
    json_key(&json, "seed");
    json_uint(&json, facts->seed);
    json_key(&json, "purchased_items");
    json_string(&json, policy_name(&facts->choice->rules));
    write_data(&json, facts);
    write_scope(&json, facts);
    write_dropped(&json, facts->raw, facts->view);
    write_signals(&json, facts);
    write_learner(&json, facts);
    return g_strdup(buffer_text(&text));
}

char *card_write(const char *facts, const CardCourse *course)
{
    g_auto(Buffer) text;
    buffer_init(&text);
    JsonWriter json;
    json_writer_init(&json, &text);
    json_begin_object(&json);
    json_raw(&json, facts, strlen(facts));
    write_timings(&json, course);
    write_estimate(&json, course);
    json_end_object(&json);
    return g_strdup(buffer_text(&text));
}
