/* Which processes that ran jobs over a data folder are dead beyond doubt.
 *
 * Each life of a process has an id, by which its leases begin, and a file DATA_DIR/OWNERS/<id> that
 * it holds locked (flock) until it ends: the kernel lets go of the lock when the last thread is
 * gone, not before, and not while the process is paused. So several processes may share a folder. A
 * lock that can be taken proves a death only where living and dead ask the same kernel about the
 * same file. The file therefore names the boot of the kernel, its device and its inode, and counts
 * only where all three still are so. After a reboot, in a folder that was copied, or that another
 * machine mounts, nobody is known to be dead: there a lease runs out by itself, as it does when
 * there is no file because the disk was full. */
#pragma once

#include <glib.h>

typedef struct Lives Lives;

/* Begins a life of this process over the folder, or one that nothing can be known of (data_dir
 * NULL, or nothing can be written there: logged). */
Lives *lives_begin(const char *data_dir);

/* The id of this life: a UUID that no other has on any machine. */
const char *lives_id(const Lives *lives);

/* Finds who died since it was last asked. Each is told by one of those who look. */
void lives_look(Lives *lives);

/* The id of one that was found dead, NULL when there is none left. The same until lives_bury(). */
const char *lives_dead(const Lives *lives);

/* Its leases have been ended: nobody needs to know of it any more. */
void lives_bury(Lives *lives);

/* The id stays in the folder, for leases that could not be given back. NULL is fine. */
void lives_end(Lives *lives);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Lives, lives_end)
