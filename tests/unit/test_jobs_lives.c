#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <glib.h>
#include <glib/gstdio.h>

#include "jobs/lives.h"
#include "owners_folder.h"

#define ID_LENGTH 36

static int make_folder(void **state)
{
    *state = owners_folder_new();
    return *state ? 0 : -1;
}

static int remove_folder(void **state)
{
    return owners_folder_remove(*state) ? 0 : -1;
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

/* A process that lives over the folder until it is killed. */
typedef struct Other {
    pid_t pid;
    char id[ID_LENGTH + 1];
} Other;

static Other start_other(const char *folder)
{
    int ends[2];
    Other other = {0};
    assert_int_equal(pipe(ends), 0);
    other.pid = fork();
    if (other.pid == 0) {
        g_random_set_seed((guint32)getpid()); /* a process of its own would not have ours */
        const char *id = lives_id(lives_begin(folder));
        if (write(ends[1], id, ID_LENGTH) == ID_LENGTH)
            for (;;)
                pause();
        _exit(1);
    }
    assert_int_equal(read(ends[0], other.id, ID_LENGTH), ID_LENGTH);
    close(ends[0]);
    close(ends[1]);
    return other;
}

static void end_other(const Other *other)
{
    kill(other->pid, SIGKILL);
    assert_int_equal(waitpid(other->pid, NULL, 0), other->pid);
}

static char *file_of(const char *folder, const char *id)
{
    return g_build_filename(folder, "OWNERS", id, NULL);
}

/* Ends a life of ours so that nobody is told of it. */
static void leave(const char *folder, Lives *lives)
{
    g_autofree char *own = file_of(folder, lives_id(lives));
    g_unlink(own);
    lives_end(lives);
}

/* What one who begins over the folder is told; it buries nobody. */
static void assert_told(const char *folder, const char *id)
{
    Lives *lives = lives_begin(folder);
    lives_look(lives);
    if (id)
        assert_string_equal(lives_dead(lives), id);
    else
        assert_null(lives_dead(lives));
    leave(folder, lives);
}

/* F17: a process that runs, or is only paused, keeps its jobs. */
static void who_lives_is_not_told_dead_even_when_paused(void **state)
{
    Other other = start_other(*state);
    assert_told(*state, NULL);
    kill(other.pid, SIGSTOP);
    assert_int_equal(waitpid(other.pid, NULL, WUNTRACED), other.pid);
    assert_told(*state, NULL);
    end_other(&other);
}

static void who_was_killed_is_told_until_it_is_buried(void **state)
{
    Other other = start_other(*state);
    end_other(&other);
    assert_told(*state, other.id);
    Lives *first = lives_begin(*state);
    lives_look(first);
    assert_told(*state, NULL); /* the first has it in hand, and dies before it could end a lease */
    leave(*state, first);
    Lives *next = lives_begin(*state);
    lives_look(next);
    assert_string_equal(lives_dead(next), other.id);
    lives_bury(next);
    assert_null(lives_dead(next));
    leave(*state, next);
    assert_told(*state, NULL);
}

static void who_dies_later_is_told_to_one_who_has_looked_before(void **state)
{
    Lives *lives = lives_begin(*state);
    Other other = start_other(*state);
    lives_look(lives);
    assert_null(lives_dead(lives));
    end_other(&other);
    assert_null(lives_dead(lives));
    lives_look(lives);
    lives_look(lives); /* no second time */
    assert_string_equal(lives_dead(lives), other.id);
    lives_bury(lives);
    assert_null(lives_dead(lives));
    lives_end(lives);
}

static void several_dead_are_told_one_after_the_other(void **state)
{
    Other one = start_other(*state), two = start_other(*state), living = start_other(*state);
    end_other(&one);
    end_other(&two);
    Lives *lives = lives_begin(*state);
    lives_look(lives);
    bool one_first = strcmp(lives_dead(lives), one.id) == 0;
    lives_bury(lives);
    assert_string_equal(lives_dead(lives), one_first ? two.id : one.id);
    lives_bury(lives);
    assert_null(lives_dead(lives));
    lives_end(lives);
    end_other(&living);
}

static void write_note(const char *folder, const char *id, const char *note)
{
    g_autofree char *owners = g_build_filename(folder, "OWNERS", NULL);
    g_autofree char *file = file_of(folder, id);
    g_mkdir(owners, 0750);
    assert_true(g_file_set_contents(file, note, -1, NULL));
}

/* The copy's lock is free while the process that it tells of is alive. */
static void a_copied_folder_says_nothing_about_the_living(void **state)
{
    void *copy = NULL;
    g_autofree char *note = NULL;
    Other other = start_other(*state);
    g_autofree char *file = file_of(*state, other.id);
    assert_true(g_file_get_contents(file, &note, NULL, NULL));
    assert_int_equal(make_folder(&copy), 0);
    write_note(copy, other.id, note);
    assert_told(copy, NULL);
    g_autofree char *copied = file_of(copy, other.id);
    assert_false(g_file_test(copied, G_FILE_TEST_EXISTS));
    assert_int_equal(remove_folder(&copy), 0);
    end_other(&other);
}

/* Where the folder is another machine's too, its kernel has the locks of those who live there. */
static void another_boot_says_nothing(void **state)
{
    g_autofree char *note = NULL;
    Other other = start_other(*state);
    end_other(&other);
    g_autofree char *file = file_of(*state, other.id);
    assert_true(g_file_get_contents(file, &note, NULL, NULL));
    FILE *in_place = fopen(file, "r+"); /* device and inode stay */
    char *boot = strstr(note, "boot ") + strlen("boot ");
    *boot = *boot == '0' ? '1' : '0';
    assert_true(fputs(note, in_place) >= 0);
    fclose(in_place);
    assert_told(*state, NULL);
}

static void what_is_no_note_says_nothing(void **state)
{
    static const char id[] = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
    g_autofree char *long_text = g_strnfill(5000, 'x');
    const char *const notes[] = {"", "boot", long_text};
    for (size_t i = 0; i < G_N_ELEMENTS(notes); i++) {
        write_note(*state, id, notes[i]);
        assert_told(*state, NULL);
    }
    write_note(*state, "somebody", "else's file stays");
    assert_told(*state, NULL);
    g_autofree char *file = file_of(*state, "somebody");
    assert_true(g_file_test(file, G_FILE_TEST_EXISTS));
}

static void without_a_folder_to_write_in_everybody_has_an_id_and_nobody_is_dead(void **state)
{
    g_autofree char *file = g_build_filename(*state, "file", NULL);
    assert_true(g_file_set_contents(file, "", 0, NULL));
    const char *const folders[] = {NULL, file};
    for (size_t i = 0; i < G_N_ELEMENTS(folders); i++) {
        g_autoptr(Lives) one = lives_begin(folders[i]);
        g_autoptr(Lives) two = lives_begin(folders[i]);
        assert_true(g_uuid_string_is_valid(lives_id(one)));
        assert_string_not_equal(lives_id(one), lives_id(two));
        lives_look(two);
        assert_null(lives_dead(two));
    }
    g_unlink(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(who_lives_is_not_told_dead_even_when_paused),
        IN_FOLDER(who_was_killed_is_told_until_it_is_buried),
        IN_FOLDER(who_dies_later_is_told_to_one_who_has_looked_before),
        IN_FOLDER(several_dead_are_told_one_after_the_other),
        IN_FOLDER(a_copied_folder_says_nothing_about_the_living),
        IN_FOLDER(another_boot_says_nothing),
        IN_FOLDER(what_is_no_note_says_nothing),
        IN_FOLDER(without_a_folder_to_write_in_everybody_has_an_id_and_nobody_is_dead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
