/* A data folder of the tests of who lives over it (src/jobs/lives.h). */
#pragma once

#include <glib.h>
#include <glib/gstdio.h>

/* For owners_folder_remove(); NULL when it cannot be made. */
static inline char *owners_folder_new(void)
{
    return g_dir_make_tmp("shortlist-owners-XXXXXX", NULL);
}

/* False when there is more in it than the files of lives. */
static inline bool owners_folder_remove(char *takes_folder)
{
    g_autofree char *folder = takes_folder;
    g_autofree char *owners = g_build_filename(folder, "OWNERS", NULL);
    g_autoptr(GDir) dir = g_dir_open(owners, 0, NULL);
    const char *name;
    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(owners, name, NULL);
        g_unlink(path);
    }
    g_rmdir(owners);
    return g_rmdir(folder) == 0;
}
