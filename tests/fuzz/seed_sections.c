/* Writes the seed of fuzz_sections: a small file with a dictionary and columns of each shape.
 *   gcc … tests/fuzz/seed_sections.c, then: seed_sections tests/fuzz/corpus/sections/small */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "data/attributes.h"

static Attributes *make_attributes(GError **error)
{
    static const char *const names[] = {"colour", "price"};
    static const ColumnKind kinds[] = {COLUMN_CATEGORICAL, COLUMN_NUMERIC};
    g_autoptr(AttributesBuilder) builder = attributes_builder_new(2, names, kinds, "|\0");
    bool is_whole = attributes_builder_set(builder, 0, 0, "red|blue", 8, NAN, error) &&
                    attributes_builder_set(builder, 2, 0, "red", 3, NAN, error) &&
                    attributes_builder_set(builder, 1, 1, "9.5", 3, 9.5, error);
    return is_whole ? attributes_builder_finish(builder, 3, error) : NULL;
}

static bool write_seed(const char *path, GError **error)
{
    g_autoptr(Attributes) attributes = make_attributes(error);
    g_autoptr(Ids) users = ids_new();
    const char *const ids[] = {"a", "b/c", "\xf0\x9f\x98\x80"};
    for (size_t i = 0; i < G_N_ELEMENTS(ids); i++)
        if (ids_add(users, ids[i], strlen(ids[i]), error) == IDS_NONE)
            return false;
    g_autoptr(SectionsWriter) writer = sections_writer_new(path, error);
    return attributes && writer && ids_save(users, writer, "users", error) &&
           attributes_save(attributes, writer, "items", error) && sections_finish(writer, error);
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    error_init();
    if (argc == 2 && write_seed(argv[1], &error))
        return EXIT_SUCCESS;
    fprintf(stderr, "%s\n", error ? error->message : "usage: seed_sections FILE");
    return EXIT_FAILURE;
}
