#include "lives.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

#define FOLDER   "OWNERS" /* capitals: no prediction is called so */
#define BOOT_ID  "/proc/sys/kernel/random/boot_id"
#define NOTE_MAX 128

/* One that is dead: the file is held locked until it is buried. */
typedef struct Dead {
    char *id;
    int fd;
} Dead;

struct Lives {
    char *folder; /* NULL: nothing can be known */
    char *id;
    int fd;          /* ours, locked; -1: none */
    GPtrArray *dead; /* Dead * */
};

static void dead_free(void *item)
{
    Dead *dead = item;
    close(dead->fd);
    g_free(dead->id);
    g_free(dead);
}

/* What the file has to say for its lock to be believed; NULL where that cannot be known. */
static char *make_note(int fd)
{
    struct stat status;
    g_autofree char *boot = NULL;
    if (fstat(fd, &status) != 0 || !g_file_get_contents(BOOT_ID, &boot, NULL, NULL))
        return NULL;
    return g_strdup_printf("boot %s device %" PRIuMAX " inode %" PRIuMAX "\n", g_strstrip(boot),
                           (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
}

static bool is_believable(int fd)
{
    char found[NOTE_MAX + 1];
    g_autofree char *expected = make_note(fd);
    ssize_t length = pread(fd, found, NOTE_MAX, 0);
    if (!expected || length < 0)
        return false;
    found[length] = '\0';
    return strcmp(found, expected) == 0;
}

static char *path_of(const Lives *lives, const char *name)
{
    return g_build_filename(lives->folder, name, NULL);
}

/* Ours, and those of whom we know already, are locked by us. A file whose lock we get and that
 * proves nothing here is of no use to anybody. */
static void look_at(Lives *lives, const char *id)
{
    g_autofree char *path = path_of(lives, id);
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        close(fd);
        return;
    }
    if (is_believable(fd)) {
        Dead *dead = g_new0(Dead, 1);
        *dead = (Dead){g_strdup(id), fd};
        g_ptr_array_add(lives->dead, dead);
    } else {
        unlink(path);
        close(fd);
    }
}

/* Locked and complete before anybody can see it under its name. */
static bool write_own(Lives *lives)
{
    g_autofree char *path = path_of(lives, lives->id);
    g_autofree char *part = g_strconcat(path, ".part", NULL);
    lives->fd = open(part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (lives->fd < 0)
        return false;
    errno = ENOTSUP;
    g_autofree char *note = make_note(lives->fd);
    ssize_t length = note ? (ssize_t)strlen(note) : -1;
    if (length > 0 && flock(lives->fd, LOCK_EX | LOCK_NB) == 0 &&
        write(lives->fd, note, (size_t)length) == length && rename(part, path) == 0)
        return true;
    int code = errno;
    unlink(part);
    errno = code;
    return false;
}

Lives *lives_begin(const char *data_dir)
{
    Lives *lives = g_new0(Lives, 1);
    lives->id = g_uuid_string_random();
    lives->fd = -1;
    lives->dead = g_ptr_array_new_with_free_func(dead_free);
    if (!data_dir)
        return lives;
    lives->folder = g_build_filename(data_dir, FOLDER, NULL);
    if (g_mkdir_with_parents(lives->folder, 0750) != 0 || !write_own(lives))
        log_event(LOG_WARNING,
                  "if this process is killed, its jobs wait until their leases run out", "folder",
                  LOG_STRING(lives->folder), "reason", LOG_STRING(g_strerror(errno)), NULL);
    return lives;
}

const char *lives_id(const Lives *lives)
{
    return lives->id;
}

void lives_look(Lives *lives)
{
    g_autoptr(GDir) dir = lives->folder ? g_dir_open(lives->folder, 0, NULL) : NULL;
    const char *name;
    while (dir && (name = g_dir_read_name(dir)))
        if (g_uuid_string_is_valid(name))
            look_at(lives, name);
}

const char *lives_dead(const Lives *lives)
{
    return lives->dead->len > 0 ? ((const Dead *)lives->dead->pdata[0])->id : NULL;
}

void lives_bury(Lives *lives)
{
    g_autofree char *path = path_of(lives, lives_dead(lives));
    unlink(path);
    g_ptr_array_remove_index(lives->dead, 0);
}

void lives_end(Lives *lives)
{
    if (!lives)
        return;
    g_ptr_array_unref(lives->dead);
    if (lives->fd >= 0)
        close(lives->fd);
    g_free(lives->folder);
    g_free(lives->id);
    g_free(lives);
}
