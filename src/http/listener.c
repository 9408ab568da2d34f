#include "listener.h"

#include <errno.h>
#include <linux/filter.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"

#define FLAGS_OFFSET 13 /* in the TCP header */
#define FLAG_SYN     0x02

static struct addrinfo *resolve(const char *address, uint16_t port, GError **error)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
    struct addrinfo *found = NULL;
    char service[8];
    snprintf(service, sizeof service, "%u", port);
    int fault = getaddrinfo(address, service, &hints, &found);
    if (fault == 0)
        return found;
    error_set(error, ERR_INVALID, "cannot listen on \"%s\": %s", address, gai_strerror(fault));
    return NULL;
}

static uint16_t port_of(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } name = {.any.sa_family = AF_UNSPEC};
    socklen_t length = sizeof name;
    if (getsockname(fd, &name.any, &length) != 0)
        return 0;
    return ntohs(name.any.sa_family == AF_INET6 ? name.v6.sin6_port : name.v4.sin_port);
}

static bool bind_and_listen(int fd, const struct addrinfo *where)
{
    int one = 1;
    return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
           bind(fd, where->ai_addr, where->ai_addrlen) == 0 && listen(fd, LISTENER_BACKLOG) == 0;
}

int listener_open(const char *address, uint16_t port, uint16_t *bound, GError **error)
{
    struct addrinfo *where = resolve(address, port, error);
    if (!where)
        return -1;
    int fd = socket(where->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool listening = fd >= 0 && bind_and_listen(fd, where);
    int fault = errno;
    freeaddrinfo(where);
    if (listening) {
        *bound = port_of(fd);
        return fd;
    }
    if (fd >= 0)
        close(fd);
    error_set(error, ERR_INVALID, "cannot listen on %s port %u: %s", address, port,
              g_strerror(fault));
    return -1;
}

void listener_drop_new(int fd)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, FLAGS_OFFSET),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, FLAG_SYN, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
    };
    const struct sock_fprog filter = {.len = G_N_ELEMENTS(code), .filter = code};
    /* Without it, a connection made in these microseconds is reset: no reason not to stop. */
    setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter);
}
