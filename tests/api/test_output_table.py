"""F25: the output table, as analysts, BI tools and loaders read it by SQL."""
import psycopg2
import pytest

import bad_times
from bad_times import State, check_rows, held, train, wait_for

READER = "shortlist_bi"


@pytest.fixture(scope="module")
def service(services, cluster):
    cluster.sql(f"CREATE ROLE {READER} LOGIN")
    return services("table", SHORTLIST_DATA_VERSIONS_KEPT="2",
                    SHORTLIST_SOURCE_SHOP_READER_ROLE=READER)


@pytest.fixture(scope="module")
def shop(cluster, service):
    shop = bad_times.Shop(cluster, "outlet").fill(150, 40, 10).configure(service.api, n=7)
    train(service.api, shop.name)
    return shop


@pytest.fixture
def state(service, cluster, shop):
    return State(service, cluster, shop.name)


def test_columns_are_named_and_typed_as_promised(state, cluster):
    """F25"""
    columns = cluster.sql("SELECT column_name, data_type FROM information_schema.columns"
                          " WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position",
                          (state.output, f"recommendations_{state.prediction}"))
    assert columns == [
        ("primary_key", "uuid"), ("user_unique_id", "text"), ("recommended_item_id", "text"),
        ("last_update_date", "timestamp with time zone"), ("ranking", "smallint"), ("score", "real"),
        ("probability", "real"), ("source", "text"), ("model_version", "integer")]


def test_rows_are_the_lists_the_service_answers(state):
    """F25: dense ranks from 1, score 1 at rank 1 and never rising, at most n each."""
    rows = state.rows()
    check_rows(rows, state.check_whole())
    for user in ("u1", "u75", "u150"):
        items = state.served(user)["items"]
        assert [(i["rank"], i["product"], pytest.approx(i["score"], abs=1e-6)) for i in items] == \
            [(row[1], row[5], row[2]) for row in rows if row[0] == user]
    assert {row[1] for row in rows} == set(range(1, 8)) and len({row[0] for row in rows}) == 150


def test_key_stays_for_user_and_rank_and_the_update_date_moves(state, service, shop):
    """F25: primary_key is unique, and stable across versions for the same user and rank."""
    before = state.rows()
    shop.shake()
    train(service.api, shop.name)
    after = state.rows()
    keys = {(row[0], row[1]): row[4] for row in before}
    assert len({row[4] for row in after}) == len(after) == len(keys)
    assert {(row[0], row[1]): row[4] for row in after} == keys
    assert [row[5] for row in before] != [row[5] for row in after], "the lists did not change"
    assert min(row[6] for row in after) > max(row[6] for row in before)
    assert len({row[6] for row in after}) == 1


def test_two_predictions_have_keys_of_their_own(state, service, cluster):
    """F25: also for the same users and ranks."""
    twin = bad_times.Shop(cluster, "twin").fill(50, 20, 10).configure(service.api)
    train(service.api, twin.name)
    keys = {row[4] for row in State(service, cluster, twin.name).rows()}
    assert keys and not keys & {row[4] for row in state.rows()}


def drain(cursor):
    rows = []
    while True:
        batch = cursor.fetchmany(500)
        if not batch:
            return rows
        rows += batch


def test_long_reader_sees_one_version_whole_while_another_is_published(state, service, shop, cluster):
    """F25: a BI tool with an open cursor neither waits, nor makes wait, nor sees a mixture."""
    old = state.rows()
    columns = ("user_unique_id, ranking, score, model_version, primary_key, recommended_item_id,"
               " last_update_date")
    ordered = f"SELECT {columns} FROM {state.view} ORDER BY 1, 2"
    with held(cluster, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ") as connection:
        cursor = connection.cursor("bi")
        cursor.execute(f"SELECT {columns} FROM {state.view}")
        begun = cursor.fetchmany(100)
        shop.shake()
        version = train(service.api, shop.name)["version"]
        again = connection.cursor("again")
        again.execute(ordered)
        assert sorted(begun + drain(cursor)) == sorted(old)
        assert drain(again) == old
        new = state.rows()
        check_rows(new, version)
        assert old[0][3] < version and new != old


def test_every_reader_sees_one_version_while_versions_change(state, service, shop, cluster):
    """F25: each single query during a training is wholly of the old or wholly of the new."""
    old = state.active()
    counts = f"SELECT model_version, count(*) FROM {state.view} GROUP BY 1"
    ((_, rows),) = cluster.sql(counts)
    job, seen = bad_times.start(service.api, shop.name), set()
    connection = cluster.connect()
    with connection.cursor() as cursor:
        while bad_times.job_of(service.api, job)["state"] not in bad_times.ENDED:
            for _ in range(20):
                cursor.execute(counts)
                found = cursor.fetchall()
                assert len(found) == 1 and found[0][1] == rows, found
                seen.add(found[0][0])
    connection.close()
    new = bad_times.end_of(service.api, job)["version"]
    assert seen <= {old, new} and state.active() == new


def test_only_the_kept_versions_have_partitions(state, service, shop):
    """F21, F25: versions_kept is 2; what a long reader held goes with a later training."""
    for _ in range(3):
        newest = train(service.api, shop.name)["version"]
    assert set(state.versions()) == {newest, newest - 1}
    assert state.check_whole() == newest


def test_partition_that_is_still_read_goes_later_and_holds_nobody_up(state, service, shop, cluster):
    """F25: the training succeeds, the version is served, the partition goes after the reader."""
    oldest = min(state.versions())
    with held(cluster, f"SELECT count(*) FROM {state.view}_rows_v{oldest}"):
        newest = train(service.api, shop.name)["version"]
        assert state.pointer() == newest and state.served()["version"] == newest
        check_rows(state.rows(), newest)
        assert any(name.endswith(f"_v{oldest}") for name in state.tables())
    train(service.api, shop.name)
    state.check_whole()


def test_going_back_moves_the_table_too(state, service, shop):
    """F21, F25: activate is one call for the API's answers and the view."""
    before, now = sorted(state.versions())
    path = f"/v1/predictions/{shop.name}/versions"
    assert service.api.post(f"{path}/{before}/activate", expect=200).json()["active"]
    assert state.check_whole() == before
    assert service.api.post(f"{path}/{now}/activate", expect=200).json()["active"]
    assert state.check_whole() == now


def test_reader_role_may_read_the_view_and_nothing_else(state, cluster):
    """F25: a read-only role gets SELECT."""
    reader = cluster.database("postgres", user=READER)
    ((count,),) = cluster.sql(f"SELECT count(*) FROM {state.view}", connection=reader)
    assert count == 150 * 7
    for refused in (f"DELETE FROM {state.view}", f"SELECT 1 FROM {state.view}_rows LIMIT 1",
                    f"CREATE TABLE {state.output}.own (n int)", "SELECT 1 FROM outlet.customers LIMIT 1"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cluster.sql(refused, connection=reader)


def test_locked_view_delays_publishing_and_breaks_nothing(state, service, shop, cluster):
    """F25: somebody's ALTER in an open transaction is waited for."""
    with held(cluster, f"LOCK TABLE {state.view}_rows IN ACCESS EXCLUSIVE MODE"):
        job = bad_times.start(service.api, shop.name)
        wait_for(lambda: bad_times.waits_for_lock(cluster), "publishing to wait")
    assert bad_times.end_of(service.api, job)["state"] == "succeeded"
    state.check_whole()


def test_table_of_somebody_else_is_left_alone(service, cluster):
    """F25: a name that is taken is a clear refusal, and the taken table stays."""
    cluster.sql("CREATE TABLE output_table.recommendations_taken (precious int);"
                "INSERT INTO output_table.recommendations_taken VALUES (1)")
    shop = bad_times.Shop(cluster, "taken").fill(50, 20, 5).configure(service.api)
    error = bad_times.refused(service.api, shop.name)
    assert error["code"] == "conflict" and "recommendations_taken" in error["message"]
    assert cluster.sql("SELECT precious FROM output_table.recommendations_taken") == [(1,)]
    assert State(service, cluster, shop.name).versions() == {}
    assert State(service, cluster, shop.name).files() == []
