#include "peak.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

/* The kernel keeps one high-water mark for the process. Before it is set back, everybody who
 * measures takes what it says. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Peak *open_peaks;

/* The line "name: 123 kB" of /proc/self/status, in bytes; 0 when there is none. */
static uint64_t read_status(const char *name)
{
    g_autofree char *status = NULL;
    if (!g_file_get_contents("/proc/self/status", &status, NULL, NULL))
        return 0;
    const char *line = strstr(status, name);
    return line ? g_ascii_strtoull(line + strlen(name), NULL, 10) * 1024 : 0;
}

static void hand_out(void)
{
    uint64_t mark = read_status("\nVmHWM:");
    for (Peak *peak = open_peaks; peak; peak = peak->next)
        peak->most = MAX(peak->most, mark);
}

/* "5" sets the high-water mark back to what is resident now (proc(5)). What cannot be written
 * leaves the mark where it is. */
static void set_back(void)
{
    int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (write(fd, "5", 1) != 1)
        g_debug("the high-water mark of memory stays where it is");
    close(fd);
}

void peak_begin(Peak *peak)
{
    pthread_mutex_lock(&lock);
    hand_out();
    set_back();
    *peak = (Peak){.before = read_status("\nVmRSS:"), .next = open_peaks};
    open_peaks = peak;
    pthread_mutex_unlock(&lock);
}

void peak_look(Peak *peak)
{
    pthread_mutex_lock(&lock);
    hand_out();
    pthread_mutex_unlock(&lock);
}

void peak_end(Peak *peak)
{
    pthread_mutex_lock(&lock);
    hand_out();
    Peak **at = &open_peaks;
    while (*at && *at != peak)
        at = &(*at)->next;
    if (*at)
        *at = peak->next;
    pthread_mutex_unlock(&lock);
}
