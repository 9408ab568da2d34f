/* A snapshot file from outside. An input is either a file as it is, or (first byte 1) changes to a
 * healthy one: position and value, four bytes and one, as often as there are; so that the search
 * gets past the checksum of the table, which it could not guess. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../unit/index_shop.h"
#include "../unit/index_readers.h"

#define CHANGE_BYTES 5

static char *healthy;
static gsize healthy_length;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    error_init();
    g_autoptr(Shop) shop = shop_new();
    BuildOptions options = shop_options(PURCHASED_EXCLUDE, 0);
    if (!index_build(shop->path, &shop->planned.fitted, shop->view, shop->scope, &options, NULL) ||
        !g_file_get_contents(shop->path, &healthy, &healthy_length, NULL))
        abort();
    return 0;
}

static char *changed(const uint8_t *data, size_t size)
{
    char *content = g_memdup2(healthy, healthy_length);
    for (size_t at = 1; at + CHANGE_BYTES <= size; at += CHANGE_BYTES) {
        uint32_t place;
        memcpy(&place, data + at, sizeof place);
        content[place % healthy_length] = (char)data[at + sizeof place];
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
    if (size > 0 && data[0] == 1) {
        g_autofree char *content = changed(data, size);
        read_file(content, healthy_length);
    } else {
        read_file((const char *)data, size);
    }
    return 0;
}
