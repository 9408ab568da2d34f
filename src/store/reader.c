#include "store/reader.h"

#include <math.h>

#include "base/error.h"
#include "reader_copy.h"
#include "reader_plan.h"
#include "reader_products.h"
#include "source_session.h"

#define ROWS_PER_PROGRESS 65536

typedef struct Reader {
    PGconn *connection;
    const ReaderOptions *options;
    DatasetBuilder *builder;
    double rows_expected; /* of all models */
    uint64_t rows_read;
} Reader;

/* A batch of events with the messages and the scratch that their texts live in. */
typedef struct EventBatch {
    size_t n;
    EventRow rows[IDS_BATCH];
    char *messages[IDS_BATCH];
    char scratch[IDS_BATCH][3][COPY_TEXT_MAX];
} EventBatch;

static void report(Reader *reader)
{
    const ReaderOptions *options = reader->options;
    if (++reader->rows_read % ROWS_PER_PROGRESS != 0 || options->progress == NULL)
        return;
    double fraction = (double)reader->rows_read / MAX(reader->rows_expected, 1);
    options->progress(options->progress_context, MIN(fraction, 0.99), reader->rows_read);
}

static bool too_long(const ReadPlan *plan, unsigned place, GError **error)
{
    error_set(error, ERR_INVALID, "%s: a value of column number %u of \"%s\" has no usable text",
              plan->what, place + 1, plan->select);
    return false;
}

static bool start(Reader *reader, const ReadPlan *plan, CopyStream *stream, GError **error)
{
    g_autofree char *sql = g_strdup_printf("COPY (%s) TO STDOUT (FORMAT binary)", plan->select);
    *stream = (CopyStream){.connection = reader->connection,
                           .n_fields = plan->n,
                           .cancel = reader->options->cancel,
                           .what = plan->what};
    return session_copy(reader->connection, sql, plan->what, reader->options->cancel, error);
}

static bool set_attributes(const ReadPlan *plan, const CopyField *fields, uint32_t row,
                           AttributesBuilder *attributes, GError **error)
{
    char scratch[COPY_TEXT_MAX];
    for (unsigned i = 1; i < plan->n; i++) {
        const char *text;
        size_t length;
        if (!copy_text(plan->types[i], fields[i], scratch, &text, &length))
            return too_long(plan, i, error);
        int kind = plan->model->fields[i - 1].kind;
        bool counts = kind == KIND_NUMERIC || kind == KIND_TIME;
        double number = counts ? copy_number(plan->types[i], fields[i]) : NAN;
        if (text != NULL &&
            !attributes_builder_set(attributes, row, i - 1, text, length, number, error))
            return false;
    }
    return true;
}

static bool add_entity(Reader *reader, const ReadPlan *plan, const CopyField *fields,
                       GError **error)
{
    char scratch[COPY_TEXT_MAX];
    const char *key;
    size_t length;
    if (!copy_text(plan->types[0], fields[0], scratch, &key, &length))
        return too_long(plan, 0, error);
    bool users = plan->model->type == MODEL_USERS;
    GError *failure = NULL;
    uint32_t row = users ? dataset_builder_add_user(reader->builder, key, length, &failure)
                         : dataset_builder_add_item(reader->builder, key, length, &failure);
    if (failure != NULL) {
        g_propagate_error(error, failure);
        return false;
    }
    if (row == IDS_NONE)
        return true;
    AttributesBuilder *attributes = users ? dataset_builder_user_attributes(reader->builder)
                                          : dataset_builder_item_attributes(reader->builder);
    return set_attributes(plan, fields, row, attributes, error);
}

/* Users or products, each with its mapped columns. */
static bool load_entities(Reader *reader, const ReadPlan *plan, GError **error)
{
    CopyStream stream;
    if (!start(reader, plan, &stream, error))
        return false;
    CopyField fields[READER_FIELDS_MAX];
    for (;;) {
        char *message = NULL;
        CopyStep step = copy_stream_next(&stream, fields, &message, error);
        if (step != COPY_ROW)
            return step == COPY_END;
        bool added = add_entity(reader, plan, fields, error);
        PQfreemem(message);
        if (!added)
            return false;
        report(reader);
    }
}

static bool key_text(const ReadPlan *plan, unsigned place, const CopyField *fields, char *scratch,
                     const char **text, uint32_t *length, GError **error)
{
    size_t bytes;
    if (!copy_text(plan->types[place], fields[place], scratch, text, &bytes))
        return too_long(plan, place, error);
    *length = (uint32_t)bytes;
    return true;
}

static bool decode_event(const ReadPlan *plan, const CopyField *fields,
                         char scratch[3][COPY_TEXT_MAX], EventRow *row, GError **error)
{
    row->time = copy_time(plan->types[PLACE_TIME], fields[PLACE_TIME]);
    row->quantity = 1;
    row->price = NAN;
    row->order = NULL;
    row->order_length = 0;
    if (plan->quantity > 0)
        row->quantity = (float)copy_number(plan->types[plan->quantity], fields[plan->quantity]);
    if (plan->price > 0)
        row->price = (float)copy_number(plan->types[plan->price], fields[plan->price]);
    if (plan->order > 0 &&
        !key_text(plan, plan->order, fields, scratch[2], &row->order, &row->order_length, error))
        return false;
    return key_text(plan, PLACE_USER, fields, scratch[0], &row->user, &row->user_length, error) &&
           key_text(plan, PLACE_PRODUCT, fields, scratch[1], &row->item, &row->item_length, error);
}

static void batch_clear(EventBatch *batch)
{
    for (size_t i = 0; i < batch->n; i++)
        PQfreemem(batch->messages[i]);
    batch->n = 0;
}

static bool batch_flush(Reader *reader, EventBatch *batch, GError **error)
{
    bool added =
        batch->n == 0 || dataset_builder_add_events(reader->builder, batch->rows, batch->n, error);
    batch_clear(batch);
    return added;
}

static bool stream_events(Reader *reader, const ReadPlan *plan, CopyStream *stream,
                          EventBatch *batch, GError **error)
{
    CopyField fields[READER_FIELDS_MAX];
    for (;;) {
        char *message = NULL;
        CopyStep step = copy_stream_next(stream, fields, &message, error);
        if (step != COPY_ROW)
            return step == COPY_END && batch_flush(reader, batch, error);
        size_t at = batch->n++;
        batch->messages[at] = message;
        if (!decode_event(plan, fields, batch->scratch[at], &batch->rows[at], error))
            return false;
        if (batch->n == IDS_BATCH && !batch_flush(reader, batch, error))
            return false;
        report(reader);
    }
}

static bool load_events(Reader *reader, const ReadPlan *plan, GError **error)
{
    CopyStream stream;
    if (!start(reader, plan, &stream, error))
        return false;
    g_autofree EventBatch *batch = g_new0(EventBatch, 1);
    bool loaded = stream_events(reader, plan, &stream, batch, error);
    batch_clear(batch);
    return loaded;
}

static AttributesBuilder *attributes_for(const Model *model)
{
    g_autofree const char **names = g_new0(const char *, model->n_fields + 1);
    g_autofree ColumnKind *kinds = g_new0(ColumnKind, model->n_fields + 1);
    g_autofree char *separators = g_new0(char, model->n_fields + 1);
    for (size_t i = 0; i < model->n_fields; i++) {
        const ModelField *field = &model->fields[i];
        names[i] = field->name;
        kinds[i] = (ColumnKind)field->kind;
        separators[i] = field->separator == NULL ? '\0' : field->separator[0];
    }
    return attributes_builder_new(model->n_fields, names, kinds, separators);
}

/* Nothing is learned from what was to be left out only because a column goes by another name now.
 */
static bool check_excluded(const TrainingPeriod *period, const Model *products, GError **error)
{
    for (size_t i = 0; i < period->n_excluded; i++)
        if (!products_check(&period->excluded[i].products, products, error)) {
            g_prefix_error(error, "period.excluded[%zu]: ", i);
            return false;
        }
    return true;
}

static Period excluded_period(const ExcludedPeriod *excluded)
{
    return (Period){.from = excluded->from,
                    .to = excluded->to,
                    .column = excluded->products.column,
                    .values = (const char *const *)excluded->products.values,
                    .ids = (const char *const *)excluded->products.ids};
}

G_STATIC_ASSERT(SIGNALS_MAX == PREDICTION_SIGNALS_MAX);
G_STATIC_ASSERT(SIGNAL_NAME_BYTES > PREDICTION_ID_MAX);

static void signal_kinds(const PredictionModels *models, SignalKind kinds[SIGNALS_MAX])
{
    for (size_t s = 0; s < models->n_signals; s++) {
        const PredictionSignal *signal = &models->signals[s];
        kinds[s] = (SignalKind){.weight = signal->weight, .half_life_days = signal->half_life_days};
        g_strlcpy(kinds[s].name, signal->name, sizeof kinds[s].name);
    }
}

static DatasetBuilder *builder_for(const Model *users, const Model *events, const Model *products,
                                   const Prediction *prediction, const ReaderOptions *reading)
{
    const TrainingPeriod *period = &prediction->period;
    g_autofree Period *excluded = g_new0(Period, period->n_excluded + 1);
    for (size_t i = 0; i < period->n_excluded; i++)
        excluded[i] = excluded_period(&period->excluded[i]);
    SignalKind signals[SIGNALS_MAX];
    signal_kinds(&prediction->models, signals);
    DatasetOptions options = {
        .now = reading->now,
        .from = period->from,
        .to = period->to == INT64_MIN ? INT64_MAX : period->to,
        .excluded = excluded,
        .n_excluded = period->n_excluded,
        .attributes = (const char *const *)prediction->attributes,
        .has_order = events->order_key != NULL,
        .has_price = events->price != NULL,
        .signals = signals,
        .n_signals = prediction->models.n_signals,
        .threads = reading->threads,
    };
    return dataset_builder_new(&options, attributes_for(products), attributes_for(users));
}

/* A plan for each, for g_ptr_array_unref(). */
static GPtrArray *plan_signals(Reader *reader, size_t n, GError **error)
{
    g_autoptr(GPtrArray) plans = g_ptr_array_new_with_free_func((GDestroyNotify)read_plan_free);
    for (size_t s = 0; s < n; s++) {
        ReadPlan *plan = read_plan_new(reader->connection, reader->options->signals[s], error);
        if (plan == NULL)
            return NULL;
        g_ptr_array_add(plans, plan);
        reader->rows_expected += plan->rows;
    }
    return g_steal_pointer(&plans);
}

static bool load_signals(Reader *reader, const GPtrArray *plans, GError **error)
{
    for (guint s = 0; s < plans->len; s++)
        if (!dataset_builder_begin_signal(reader->builder, s, error) ||
            !load_events(reader, g_ptr_array_index(plans, s), error))
            return false;
    return true;
}

/* All are described first: from then on the tables are locked against changes. */
static bool load_all(Reader *reader, const Model *users, const Model *events, const Model *products,
                     size_t n_signals, GError **error)
{
    PGconn *connection = reader->connection;
    g_autoptr(ReadPlan) of_products = read_plan_new(connection, products, error);
    g_autoptr(ReadPlan) of_users =
        of_products == NULL ? NULL : read_plan_new(connection, users, error);
    g_autoptr(ReadPlan) of_events =
        of_users == NULL ? NULL : read_plan_new(connection, events, error);
    g_autoptr(GPtrArray) of_signals =
        of_events == NULL ? NULL : plan_signals(reader, n_signals, error);
    if (of_signals == NULL)
        return false;
    reader->rows_expected += of_products->rows + of_users->rows + of_events->rows;
    return load_entities(reader, of_products, error) && load_entities(reader, of_users, error) &&
           load_events(reader, of_events, error) && load_signals(reader, of_signals, error);
}

Dataset *reader_load(const SourceSettings *source, const Model *users, const Model *events,
                     const Model *products, const Prediction *prediction,
                     const ReaderOptions *options, GError **error)
{
    if (!check_excluded(&prediction->period, products, error))
        return NULL;
    g_autoptr(PGconn) connection = session_open(source, error);
    if (connection == NULL)
        return NULL;
    g_autoptr(DatasetBuilder) builder = builder_for(users, events, products, prediction, options);
    Reader reader = {.connection = connection, .options = options, .builder = builder};
    if (!load_all(&reader, users, events, products, prediction->models.n_signals, error))
        return NULL;
    g_clear_pointer(&connection, PQfinish);
    Dataset *dataset = dataset_builder_finish(builder, options->cancel, error);
    if (dataset != NULL && options->progress != NULL)
        options->progress(options->progress_context, 1, reader.rows_read);
    return dataset;
}

/* ---- only the columns of products that are known ---- */

typedef struct ColumnsReader {
    Reader reader;
    const Ids *ids;
    AttributesBuilder *attributes; /* rows as they come */
    uint32_t *row_of;              /* per id: its row, IDS_NONE before it came */
    ReadColumns *columns;
} ColumnsReader;

static bool add_known(ColumnsReader *of, const ReadPlan *plan, const CopyField *fields,
                      GError **error)
{
    char scratch[COPY_TEXT_MAX];
    const char *key;
    size_t length;
    if (!copy_text(plan->types[0], fields[0], scratch, &key, &length))
        return too_long(plan, 0, error);
    uint32_t id = key == NULL || length == 0 ? IDS_NONE : ids_find(of->ids, key, length);
    if (key == NULL || length == 0 || (id != IDS_NONE && of->row_of[id] != IDS_NONE)) {
        of->columns->left_out++;
        return true;
    }
    if (id == IDS_NONE) {
        of->columns->unknown++;
        return true;
    }
    of->row_of[id] = of->columns->found++;
    return set_attributes(plan, fields, of->row_of[id], of->attributes, error);
}

static bool load_known(ColumnsReader *of, const ReadPlan *plan, GError **error)
{
    CopyStream stream;
    if (!start(&of->reader, plan, &stream, error))
        return false;
    CopyField fields[READER_FIELDS_MAX];
    for (;;) {
        char *message = NULL;
        CopyStep step = copy_stream_next(&stream, fields, &message, error);
        if (step != COPY_ROW)
            return step == COPY_END;
        bool added = add_known(of, plan, fields, error);
        PQfreemem(message);
        if (!added)
            return false;
        report(&of->reader);
    }
}

bool reader_load_columns(const SourceSettings *source, const Model *products, const Ids *ids,
                         const ReaderOptions *options, ReadColumns *columns, GError **error)
{
    uint32_t n_ids = ids_count(ids);
    *columns = (ReadColumns){0};
    g_autofree uint32_t *row_of = g_try_new(uint32_t, (size_t)n_ids + 1);
    if (row_of == NULL) {
        error_set(error, ERR_NO_MEMORY, "no memory to read the columns of %u products", n_ids);
        return false;
    }
    for (uint32_t id = 0; id < n_ids; id++)
        row_of[id] = IDS_NONE;
    g_autoptr(PGconn) connection = session_open(source, error);
    g_autoptr(ReadPlan) plan =
        connection == NULL ? NULL : read_plan_new(connection, products, error);
    if (plan == NULL)
        return false;
    g_autoptr(AttributesBuilder) builder = attributes_for(products);
    ColumnsReader of = {.reader = {connection, options, NULL, plan->rows, 0},
                        .ids = ids,
                        .attributes = builder,
                        .row_of = row_of,
                        .columns = columns};
    if (!load_known(&of, plan, error))
        return false;
    Attributes *attributes = attributes_builder_finish(builder, columns->found, error);
    if (attributes != NULL)
        columns->attributes = attributes_arrange(attributes, row_of, n_ids, error);
    return columns->attributes != NULL;
}

void read_columns_clear(ReadColumns *columns)
{
    attributes_free(columns->attributes);
    columns->attributes = NULL;
}
