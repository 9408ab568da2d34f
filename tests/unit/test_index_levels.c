#include "levels_shop.h"

#include "index/audience.h"
#include "index/builder.h"
#include "index/snapshot.h"

/* The file of a version of the shop; `levels` may be NULL. */
static Snapshot *build(const Dataset *raw, const Levels *levels, const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Dataset) view = dataset_before(raw, day(AS_OF), NULL);
    g_autoptr(Scope) scope = scope_new(view, day(AS_OF), NULL);
    g_autoptr(Fitted) fitted = fit_shop("popularity", view, AS_OF, 1);
    BuildOptions options = {.prediction = "next-buy",
                            .version = 1,
                            .list_length = 20,
                            .levels = levels,
                            .built_at = day(AS_OF),
                            .threads = 1};
    if (!index_build(path, fitted, view, scope, &options, &error))
        fail_msg("%s", error->message);
    Snapshot *snapshot = snapshot_open(path, &error);
    if (!snapshot)
        fail_msg("%s", error->message);
    return snapshot;
}

static Members *rank(const Snapshot *snapshot, const char *column, const char *value)
{
    g_autoptr(GError) error = NULL;
    const Column *found = attributes_find(snapshot_item_attributes(snapshot), column);
    uint32_t number = ids_find(found->values, value, strlen(value));
    Members *members = audience_rank_value(snapshot, found, number, 50, &error);
    if (!members)
        fail_msg("%s", error->message);
    return members;
}

static void f35_members_of_a_value_have_probabilities(void **state)
{
    g_autoptr(Dataset) raw = shop(true);
    g_auto(TestFile) file = test_file_new();
    g_autoptr(Levels) levels = fit_at(raw, AS_OF, 0, NULL);
    g_autoptr(Snapshot) snapshot = build(raw, levels, file.path);
    g_autoptr(Members) members = rank(snapshot, "brand", "brand 2");
    assert_int_equal(members->n, 50);
    double likes = 0;
    for (uint32_t i = 0; i < members->n; i++) {
        float probability = members->probability[i];
        assert_true(probability > 0 && probability <= 1);
        assert_true(fabsf(members->score[i] - probability / members->probability[0]) < 1e-6f);
        assert_true(i == 0 || probability <= members->probability[i - 1]);
        likes += chance(members->user[i], 2) / members->n;
    }
    assert_true(members->score[0] == 1);
    assert_true(likes > 0.25); /* all together: 0.13 */
}

static Members *reaching(const Snapshot *snapshot, double probability, int64_t max_size)
{
    Audience audience = {.kind = AUDIENCE_VALUE,
                         .column = "brand",
                         .value = "brand 2",
                         .max_size = max_size,
                         .min_probability = probability};
    GError *error = NULL;
    Members *members = audience_members(snapshot, &audience, &error);
    if (!members)
        fail_msg("%s", error->message);
    return members;
}

static void f36_members_reach_the_least_probability_and_it_says_when_too_few_do(void **state)
{
    g_autoptr(Dataset) raw = shop(true);
    g_auto(TestFile) file = test_file_new();
    g_autoptr(Levels) levels = fit_at(raw, AS_OF, 0, NULL);
    g_autoptr(Snapshot) snapshot = build(raw, levels, file.path);
    g_autoptr(Members) all = reaching(snapshot, 1e-9, 0);
    double least = (double)all->probability[all->n / 2];
    g_autoptr(Members) some = reaching(snapshot, least, 0);
    assert_true(all->n > 10 && some->n > all->n / 2 && some->n < all->n);
    assert_true((double)some->probability[some->n - 1] >= least);
    assert_true((double)all->probability[some->n] < least);
    assert_non_null(strstr(some->short_because, "reach a probability"));
    g_autoptr(Members) few = reaching(snapshot, least, 3);
    assert_true(few->n == 3 && !few->short_because);
    g_autoptr(Members) none = reaching(snapshot, 1, 0);
    assert_int_equal(none->n, 0);
    g_autoptr(Snapshot) unmeasured = build(raw, NULL, file.path);
    g_autoptr(Members) unknown = reaching(unmeasured, 0.01, 0);
    assert_int_equal(unknown->n, 0);
    assert_non_null(strstr(unknown->short_because, "no probabilities"));
}

static void without_levels_members_have_scores_alone(void **state)
{
    g_autoptr(Dataset) raw = shop(true);
    g_auto(TestFile) file = test_file_new();
    g_autoptr(Snapshot) snapshot = build(raw, NULL, file.path);
    g_autoptr(Members) members = rank(snapshot, "brand", "brand 2");
    assert_int_equal(members->n, 50);
    assert_true(members->score[0] == 1);
    assert_true(members->probability[0] == 0);
}

/* Another product gets "brand 2"; "brand 3" keeps its products, "brand 1" loses one. */
static Attributes *other_brands(void)
{
    static const char *const names[] = {"brand"};
    static const ColumnKind kinds[] = {COLUMN_CATEGORICAL};
    g_autoptr(AttributesBuilder) builder = attributes_builder_new(1, names, kinds, NULL);
    for (uint32_t item = 0; item < ITEMS; item++) {
        char brand[16];
        int length = snprintf(brand, sizeof brand, "brand %u", item == 7 ? 2 : item / 4);
        assert_true(attributes_builder_set(builder, item, 0, brand, (size_t)length, NAN, NULL));
    }
    return attributes_builder_finish(builder, ITEMS, NULL);
}

static void only_values_of_the_same_products_keep_theirs_when_columns_are_mapped_again(void **state)
{
    g_autoptr(Dataset) raw = shop(true);
    g_auto(TestFile) file = test_file_new();
    g_auto(TestFile) other = test_file_new();
    g_autoptr(Levels) levels = fit_at(raw, AS_OF, 0, NULL);
    g_autoptr(Snapshot) trained = build(raw, levels, file.path);
    g_autoptr(Attributes) attributes = other_brands();
    RemapOptions options = {.revision = 1, .mapped_at = day(AS_OF)};
    assert_true(index_remap(other.path, trained, attributes, &options, NULL));
    g_autoptr(Snapshot) mapped = snapshot_open(other.path, NULL);
    assert_non_null(mapped);
    g_autoptr(Members) lost = rank(mapped, "brand", "brand 1");
    g_autoptr(Members) won = rank(mapped, "brand", "brand 2");
    g_autoptr(Members) kept = rank(mapped, "brand", "brand 3");
    g_autoptr(Members) before = rank(trained, "brand", "brand 3");
    assert_true(lost->probability[0] == 0 && won->probability[0] == 0);
    assert_true(kept->probability[0] > 0);
    assert_memory_equal(kept->probability, before->probability, 50 * sizeof(float));
}

int main(void)
{
    error_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(f35_members_of_a_value_have_probabilities),
        cmocka_unit_test(f36_members_reach_the_least_probability_and_it_says_when_too_few_do),
        cmocka_unit_test(without_levels_members_have_scores_alone),
        cmocka_unit_test(
            only_values_of_the_same_products_keep_theirs_when_columns_are_mapped_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
