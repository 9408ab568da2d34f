#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "index_readers.h"
#include "index_shop.h"

#include "data/sections_layout.h"
#include "index/recommend.h"

/* One column, "brand", of which every second item has a value; i1 has two. */
static Attributes *brands(ColumnKind kind)
{
    static const char *const names[] = {"brand"};
    g_autoptr(AttributesBuilder) builder = attributes_builder_new(1, names, &kind, "|");
    assert_true(attributes_builder_set(builder, 1, 0, "Zed|Acme", 8, 1.5, NULL));
    assert_true(attributes_builder_set(builder, 3, 0, "Zed", 3, 2.5, NULL));
    return attributes_builder_finish(builder, SHOP_ITEMS, NULL);
}

static RemapOptions revision(uint32_t number)
{
    return (RemapOptions){.revision = number, .mapped_at = shop_day(402)};
}

static char *second_path(const Shop *shop)
{
    return g_build_filename(shop->folder, "v1-2.snapshot", NULL);
}

/* The shop's snapshot once more, with brands; the file is gone already. */
static Snapshot *remapped(const Shop *shop, const Snapshot *snapshot, ColumnKind kind,
                          const RemapOptions *options)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Attributes) attributes = brands(kind);
    g_autofree char *path = second_path(shop);
    if (!index_remap(path, snapshot, attributes, options, &error))
        fail_msg("%s", error->message);
    Snapshot *again = shop_open(path);
    assert_true(snapshot_verify(again, NULL, NULL));
    g_unlink(path);
    return again;
}

static void assert_same_list(const Snapshot *one, const Snapshot *other, uint32_t user)
{
    Recommendation a[RECOMMEND_MAX] = {0}, b[RECOMMEND_MAX] = {0};
    size_t n = recommend_user(one, user, RECOMMEND_MAX, NULL, 0, a);
    assert_int_equal(recommend_user(other, user, RECOMMEND_MAX, NULL, 0, b), n);
    assert_memory_equal(a, b, n * sizeof *a);
    assert_int_equal(snapshot_user_scope(one, user), snapshot_user_scope(other, user));
}

static void what_is_recommended_stays(void **state)
{
    g_autoptr(Shop) shop = shop_new();
    g_autoptr(Snapshot) before = shop_snapshot(shop, PURCHASED_EXCLUDE, 0);
    RemapOptions options = revision(2);
    g_autoptr(Snapshot) after = remapped(shop, before, COLUMN_CATEGORICAL, &options);
    for (uint32_t user = 0; user < SHOP_USERS; user++)
        assert_same_list(before, after, user);
    assert_int_equal(snapshot_version(after), snapshot_version(before));
    assert_int_equal(snapshot_built_at(after), snapshot_built_at(before));
    assert_string_equal(snapshot_prediction(after), "next-buy");
    size_t length;
    const char *card = snapshot_card(after, &length);
    assert_memory_equal(card, "{\"learner\":\"planned\"}", length);
    touch_all(after);
}

/* F5: the column alone, its inverted lists and what is popular by its values are new. */
static void columns_and_what_comes_from_them_are_new(void **state)
{
    g_autoptr(Shop) shop = shop_new();
    g_autoptr(Snapshot) before = shop_snapshot(shop, PURCHASED_ALLOW, 0);
    RemapOptions options = revision(2);
    g_autoptr(Snapshot) after = remapped(shop, before, COLUMN_CATEGORICAL, &options);
    const Attributes *attributes = snapshot_item_attributes(after);
    assert_int_equal(attributes->n_columns, 1);
    assert_null(attributes_find(attributes, "colour"));
    const Column *brand = attributes_find(attributes, "brand");
    uint32_t zed = ids_find(brand->values, "Zed", 3), n;
    const uint32_t *items = snapshot_items_with(after, brand, zed, &n);
    assert_int_equal(n, 2);
    assert_int_equal(items[0], 1); /* bought more */
    assert_int_equal(items[1], 3);
    Recommendation list[10];
    assert_int_equal(recommend_popular(after, brand, ids_find(brand->values, "Acme", 4), 10, list),
                     1);
    assert_int_equal(list[0].item, 1);
}

static void numbers_come_with_their_kind(void **state)
{
    g_autoptr(Shop) shop = shop_new();
    g_autoptr(Snapshot) before = shop_snapshot(shop, PURCHASED_ALLOW, 0);
    RemapOptions options = revision(2);
    g_autoptr(Snapshot) after = remapped(shop, before, COLUMN_NUMERIC, &options);
    const Column *brand = attributes_find(snapshot_item_attributes(after), "brand");
    assert_true(brand->kind == COLUMN_NUMERIC && brand->number[3] == 2.5F);
    assert_true(isnan(brand->number[0]));
}

static void revision_says_which_mapping_it_is(void **state)
{
    g_autoptr(Shop) shop = shop_new();
    g_autoptr(Snapshot) trained = shop_snapshot(shop, PURCHASED_ALLOW, 0);
    assert_int_equal(snapshot_revision(trained), 0);
    RemapOptions options = revision(2);
    g_autoptr(Snapshot) second = remapped(shop, trained, COLUMN_TEXT, &options);
    assert_int_equal(snapshot_revision(second), 2);
    options = revision(5);
    g_autoptr(Snapshot) fifth = remapped(shop, second, COLUMN_TEXT, &options);
    assert_int_equal(snapshot_revision(fifth), 5);
}

/* Copying must not give wrong bytes a right checksum. */
static void damaged_file_is_not_passed_on(void **state)
{
    g_autoptr(Shop) shop = shop_new();
    BuildOptions built = shop_options(PURCHASED_ALLOW, 0);
    shop_build(shop, shop->path, &built);
    gsize length;
    g_autofree char *bytes = NULL;
    assert_true(g_file_get_contents(shop->path, &bytes, &length, NULL));
    char *score = memmem(bytes, length, "{\"grade\":\"B\"}", 13);
    assert_non_null(score);
    score[10] = 'A';
    assert_true(g_file_set_contents(shop->path, bytes, (gssize)length, NULL));
    g_autoptr(Snapshot) damaged = shop_open(shop->path);
    g_autoptr(Attributes) attributes = brands(COLUMN_TEXT);
    g_autofree char *path = second_path(shop);
    g_autoptr(GError) error = NULL;
    RemapOptions options = revision(2);
    assert_false(index_remap(path, damaged, attributes, &options, &error));
    assert_int_equal(error_code(error), ERR_DAMAGED);
    assert_non_null(strstr(error->message, "meta.report"));
    assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
}

static void cancelled_one_leaves_no_file(void **state)
{
    g_autoptr(Shop) shop = shop_new();
    g_autoptr(Snapshot) before = shop_snapshot(shop, PURCHASED_ALLOW, 0);
    g_autoptr(Attributes) attributes = brands(COLUMN_TEXT);
    g_autofree char *path = second_path(shop);
    g_autofree char *part = g_strconcat(path, ".part", NULL);
    g_autoptr(GError) error = NULL;
    Cancel cancel;
    cancel_init(&cancel);
    cancel_raise(&cancel);
    RemapOptions options = revision(2);
    options.cancel = &cancel;
    assert_false(index_remap(path, before, attributes, &options, &error));
    assert_int_equal(error_code(error), ERR_CANCELLED);
    assert_false(g_file_test(path, G_FILE_TEST_EXISTS) || g_file_test(part, G_FILE_TEST_EXISTS));
}

typedef struct RawFile {
    char *bytes;
    const SectionsHeader *header;
    const SectionEntry *table;
} RawFile;

static RawFile raw_file(const char *path)
{
    RawFile file = {0};
    gsize length;
    assert_true(g_file_get_contents(path, &file.bytes, &length, NULL));
    file.header = (const SectionsHeader *)file.bytes;
    file.table = (const SectionEntry *)(file.bytes + length) - file.header->n_sections;
    return file;
}

static const SectionEntry *find_entry(const RawFile *file, const char *name)
{
    for (uint32_t i = 0; i < file->header->n_sections; i++)
        if (strcmp(file->table[i].name, name) == 0)
            return &file->table[i];
    return NULL;
}

static bool is_of_columns(const char *name)
{
    return g_str_has_prefix(name, "products.") || g_str_has_prefix(name, "inverted.") ||
           strcmp(name, "meta.columns") == 0;
}

/* Also what a learner or a calibration stores, whichever it is: byte for byte. */
static void every_other_section_is_the_same_bytes(void **state)
{
    g_autoptr(Shop) shop = shop_new();
    g_autoptr(Snapshot) before = shop_snapshot(shop, PURCHASED_EXCLUDE_WITHIN, 30);
    g_autoptr(Attributes) attributes = brands(COLUMN_CATEGORICAL);
    g_autofree char *path = second_path(shop);
    RemapOptions options = revision(2);
    assert_true(index_remap(path, before, attributes, &options, NULL));
    RawFile old = raw_file(shop->path), new = raw_file(path);
    unsigned same = 0;
    for (uint32_t i = 0; i < old.header->n_sections; i++) {
        const SectionEntry *entry = &old.table[i], *copy = find_entry(&new, entry->name);
        if (is_of_columns(entry->name))
            continue;
        assert_non_null(copy);
        assert_int_equal(copy->element_size, entry->element_size);
        assert_int_equal(copy->count, entry->count);
        assert_int_equal(copy->hash, entry->hash);
        assert_memory_equal(new.bytes + copy->offset, old.bytes + entry->offset,
                            entry->count * entry->element_size);
        same++;
    }
    assert_true(same > 20);
    for (uint32_t i = 0; i < new.header->n_sections; i++)
        assert_true(is_of_columns(new.table[i].name) || find_entry(&old, new.table[i].name));
    g_free(old.bytes);
    g_free(new.bytes);
    g_unlink(path);
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_recommended_stays),
        cmocka_unit_test(columns_and_what_comes_from_them_are_new),
        cmocka_unit_test(numbers_come_with_their_kind),
        cmocka_unit_test(revision_says_which_mapping_it_is),
        cmocka_unit_test(damaged_file_is_not_passed_on),
        cmocka_unit_test(cancelled_one_leaves_no_file),
        cmocka_unit_test(every_other_section_is_the_same_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
