/* An open connection and the request it is at: all of it that needs no libmicrohttpd. Owned by the
 * connection's HTTP thread, but while it is suspended by an offload thread. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "framing.h"
#include "gate.h"
#include "metrics.h"
#include "offload.h"
#include "registry.h"
#include "request_state.h"
#include "response_state.h"

/* What all connections share. */
typedef struct Service {
    ServerOptions options;
    const Settings *settings;
    Gate gate;
    Metrics *metrics;
    char *default_host;
    size_t memory_limit; /* per connection, in libmicrohttpd */
    atomic_bool draining;
} Service;

typedef enum Stage {
    STAGE_HEAD,     /* the request line came; its headers were not looked at yet */
    STAGE_BODY,     /* judged; its body comes */
    STAGE_ANSWERED, /* the response is made and waits for being queued */
    STAGE_QUEUED
} Stage;

struct MHD_Connection;

typedef struct Connection {
    Client client;
    OffloadTask task;
    Service *service;
    struct Server *server;
    struct MHD_Connection *mhd;
    Stage stage;
    bool cramped; /* the head left hardly any memory: the answer's head must be short */
    bool refused; /* the response is an error; a body that still comes is dropped */
    uint64_t swallowed;
    int64_t begun_ns, answered_ns;
    Framing framing;
    Request request;
    Response response;
    char *raw_target; /* target_max + 1 bytes, then as many + 2 for its decoded form */
    char *decoded;
} Connection;

/* NULL when memory is short. */
Connection *connection_new(Service *service);
void connection_free(Connection *connection);

/* Where a deadline lies that begins now. */
int64_t connection_deadline(uint32_t ms);

/* A request begins with this target. */
void connection_begin(Connection *connection, const char *target);

/* Judges the request, whose head is gathered. False: it must be answered now and the connection
 * closed, its body unread; the response says why. */
bool connection_judge(Connection *connection);

/* Takes a part of the body, or drops it when the request is refused. False: cut the connection. */
bool connection_take_body(Connection *connection, const char *data, size_t length);

/* Runs the handler of an admitted request. */
void connection_handle(Connection *connection);

/* Makes the next piece of a stream, on an offload thread. False: nothing yet, ask again at the
 * stream's due_ns. */
bool connection_make_piece(Connection *connection, bool cancelled);

/* Copies at most `max` bytes of the piece; 0 when it is used up. */
size_t connection_read_piece(Connection *connection, char *out, size_t max);

/* The request is over: counts and logs it, and makes ready for the next. */
void connection_end(Connection *connection, bool complete);
