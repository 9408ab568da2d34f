/* A snapshot file from outside. An input is either a file as it is, or (first byte 1) changes to a
 * healthy one, or (first byte 2) to one with contexts: position and value, four bytes and one, as
 * often as there are; so that the search gets past the checksum of the table, which it could not
 * guess. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../unit/context_shop.h"
#include "../unit/index_readers.h"

#define CHANGE_BYTES 5

#define CONTEXT_ITEMS 4

typedef struct Healthy {
    char *content;
    gsize length;
} Healthy;

static Healthy plain, with_contexts;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void make(Shop *takes_shop, Healthy *healthy)
{
    g_autoptr(Shop) shop = takes_shop;
    BuildOptions options = shop_options(PURCHASED_EXCLUDE, 0);
    shop_build(shop, shop->path, &options);
    if (!g_file_get_contents(shop->path, &healthy->content, &healthy->length, NULL))
        abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    error_init();
    make(shop_new(), &plain);
    make(context_shop(CONTEXT_ITEMS), &with_contexts);
    return 0;
}

static char *changed(const Healthy *healthy, const uint8_t *data, size_t size)
{
    char *content = g_memdup2(healthy->content, healthy->length);
    for (size_t at = 1; at + CHANGE_BYTES <= size; at += CHANGE_BYTES) {
        uint32_t place;
        memcpy(&place, data + at, sizeof place);
        content[place % healthy->length] = (char)data[at + sizeof place];
    }
    return content;
}

static void read_file(const char *content, size_t length)
{
    int fd = memfd_create("snapshot", MFD_CLOEXEC);
    if (fd < 0 || write(fd, content, length) != (ssize_t)length)
        abort();
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    g_autoptr(Snapshot) snapshot = snapshot_open(path, NULL);
    close(fd);
    if (snapshot)
        touch_all(snapshot);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0 && (data[0] == 1 || data[0] == 2)) {
        const Healthy *healthy = data[0] == 1 ? &plain : &with_contexts;
        g_autofree char *content = changed(healthy, data, size);
        read_file(content, healthy->length);
    } else {
        read_file((const char *)data, size);
    }
    return 0;
}
