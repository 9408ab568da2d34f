#include "math/parallel.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/background.h"

#define THREADS_MAX 256

typedef struct Loop {
    uint64_t n, block;
    ParallelBody body;
    void *context;
    const Cancel *cancel;
    _Atomic uint64_t next; /* first index that no thread has taken */
    atomic_bool stopped;
    pthread_mutex_t lock; /* guards error */
    GError *error;        /* the first one */
} Loop;

typedef struct Worker {
    Loop *loop;
    unsigned number;
    pthread_t thread;
} Worker;

static void fail(Loop *loop, GError *takes_error)
{
    pthread_mutex_lock(&loop->lock);
    bool is_first = !atomic_exchange(&loop->stopped, true);
    if (is_first)
        loop->error = takes_error;
    pthread_mutex_unlock(&loop->lock);
    if (!is_first)
        g_clear_error(&takes_error);
}

static bool take_block(Loop *loop, uint64_t *begin, uint64_t *end)
{
    *begin = atomic_load(&loop->next);
    do {
        if (*begin >= loop->n)
            return false;
        *end = *begin + MIN(loop->block, loop->n - *begin);
    } while (!atomic_compare_exchange_weak(&loop->next, begin, *end));
    return true;
}

static void run_blocks(Loop *loop, unsigned worker)
{
    uint64_t begin, end;
    while (!atomic_load(&loop->stopped) && take_block(loop, &begin, &end)) {
        GError *error = NULL;
        if (!cancel_check(loop->cancel, &error) ||
            !loop->body(loop->context, begin, end, worker, &error))
            fail(loop, error);
    }
}

static void *worker_main(void *data)
{
    Worker *worker = data;
    background_enter();
    run_blocks(worker->loop, worker->number);
    return NULL;
}

/* With the caller as one of the threads, or not. Fewer others than asked for do the same work; with
 * none at all the caller does it. */
static void run_threads(Loop *loop, unsigned threads, bool with_caller)
{
    unsigned own = with_caller ? 1 : 0, started = own;
    g_autofree Worker *workers = g_new0(Worker, threads);
    for (; started < threads; started++) {
        Worker *worker = &workers[started];
        worker->loop = loop;
        worker->number = started;
        if (pthread_create(&worker->thread, NULL, worker_main, worker) != 0)
            break;
    }
    if (with_caller || started == 0)
        run_blocks(loop, 0);
    for (unsigned i = own; i < started; i++)
        pthread_join(workers[i].thread, NULL);
}

bool parallel_for(uint64_t n, uint64_t block, unsigned threads, ParallelBody body, void *context,
                  const Cancel *cancel, GError **error)
{
    Loop loop = {.n = n,
                 .block = MAX(block, 1),
                 .body = body,
                 .context = context,
                 .cancel = cancel,
                 .lock = PTHREAD_MUTEX_INITIALIZER};
    uint64_t blocks = n / loop.block + (n % loop.block != 0);
    threads = parallel_threads(threads);
    bool with_caller = threads == 1 || background_is_entered();
    run_threads(&loop, (unsigned)CLAMP(blocks, 1, threads), with_caller);
    pthread_mutex_destroy(&loop.lock);
    if (!atomic_load(&loop.stopped))
        return true;
    g_propagate_error(error, loop.error);
    return false;
}

unsigned parallel_threads(unsigned threads)
{
    if (threads > 0)
        return MIN(threads, THREADS_MAX);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return (unsigned)CLAMP(cores, 1, THREADS_MAX);
}
