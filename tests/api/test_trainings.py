"""F13, F17 to F19, F21, F25: jobs, their progress, versions, quality, the output table."""
import itertools
import threading

import pytest

import shop
from client import fault, faults
from conftest import train


@pytest.fixture
def idle(services):
    """A service that runs no jobs, with the models of the shop and a prediction."""
    service = services(f"idle{next(NUMBERS)}", SHORTLIST_JOBS_WORKERS="0")
    for body in shop.MODELS:
        service.api.post("/v1/models", body)
    service.api.post("/v1/predictions", {"name": "Waits", "id": "waits", "models": {
        "users": "customers", "events": "order_lines", "products": "products"}})
    yield service.api
    service.stop()


NUMBERS = itertools.count()


def test_training_goes_through_its_stages_and_never_back(api, untrained):
    """F17: queued, stages with monotone per cent, done; the stream ends with the end."""
    job = api.post(f"/v1/predictions/{untrained}/trainings", {}, expect=202)
    assert job.headers["Location"] == f"/v1/jobs/{job.json()['id']}"
    assert job.json()["kind"] == "training" and job.json()["prediction"] == untrained
    seen = list(api.events(f"/v1/jobs/{job.json()['id']}/events"))
    percents = [data["percent"] for _, data in seen]
    assert percents == sorted(percents)
    assert [event for event, _ in seen[:-1]] == ["progress"] * (len(seen) - 1)
    event, last = seen[-1]
    assert event == "end" and last["state"] == "succeeded" and last["percent"] == 100
    full = api.get(f"/v1/jobs/{last['id']}").json()
    assert full["result"]["version"] == full["version"] and full["log"]
    assert full["started_at"] <= full["finished_at"] and full["attempt"] == 1


def test_events_of_an_ended_job_replay_its_last_state(api, trained):
    job = next(api.pages(f"/v1/jobs?prediction={trained}&state=succeeded"))
    assert [event for event, _ in api.events(f"/v1/jobs/{job['id']}/events")] == ["progress", "end"]


def test_jobs_are_listed_newest_first_and_filtered(api, trained):
    jobs = list(api.pages("/v1/jobs", limit=1))
    times = [job["created_at"] for job in jobs]
    assert times == sorted(times, reverse=True) and all("log" not in job for job in jobs)
    assert {job["prediction"] for job in api.pages(f"/v1/jobs?prediction={trained}")} == {trained}
    assert fault(api.get("/v1/jobs?state=runing", expect=422), "?state")["candidates"]


def test_one_training_of_a_prediction_at_a_time(idle):
    first = idle.post("/v1/predictions/waits/trainings", {"seed": 3}, expect=202).json()
    assert first["state"] == "queued" and first["attempt"] == 0 and first["started_at"] is None
    second = idle.post("/v1/predictions/waits/trainings", {}, expect=409).json()
    assert second["code"] == "conflict" and "cancel" in second["hint"]
    refused = idle.delete("/v1/predictions/waits", expect=409).json()
    assert first["id"] in refused["detail"]
    idle.post(f"/v1/jobs/{first['id']}/cancel", expect=202)
    idle.delete("/v1/predictions/waits")


def test_queued_job_is_cancelled_at_once(idle):
    job = idle.post("/v1/predictions/waits/trainings", expect=202).json()
    cancelled = idle.post(f"/v1/jobs/{job['id']}/cancel", expect=202).json()
    assert cancelled["state"] == "cancelled" and cancelled["finished_at"]
    assert idle.post(f"/v1/jobs/{job['id']}/cancel", expect=409).json()["code"] == "conflict"


def test_watchers_see_a_cancellation(idle):
    job = idle.post("/v1/predictions/waits/trainings", expect=202).json()
    events = idle.events(f"/v1/jobs/{job['id']}/events")
    assert next(events)[1]["state"] == "queued"
    idle.post(f"/v1/jobs/{job['id']}/cancel", expect=202)
    assert [(event, data["state"]) for event, data in events][-1] == ("end", "cancelled")


@pytest.mark.parametrize("body, pointer", [({"seed": -1}, "/seed"), ({"seed": 1.5}, "/seed"),
                                           ({"seed": "x"}, "/seed"), ({"sed": 1}, "/sed")])
def test_bad_wishes_are_refused(idle, body, pointer):
    assert pointer in faults(idle.post("/v1/predictions/waits/trainings", body, expect=422))


def test_repeated_start_gives_the_same_job(idle):
    key = {"Idempotency-Key": "start"}
    first = idle.post("/v1/predictions/waits/trainings", {}, expect=202, headers=key)
    again = idle.post("/v1/predictions/waits/trainings", {}, expect=202, headers=key)
    assert again.json()["id"] == first.json()["id"]


def test_job_works_on_the_configuration_of_its_start(idle, cluster):
    job = idle.post("/v1/predictions/waits/trainings", {}, expect=202).json()
    idle.patch("/v1/predictions/waits", {"n": 77})
    schema = cluster.sql("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'state_idle%'",
                         connection=cluster.database("shortlist"))
    params = [row for (name,) in schema for row in cluster.sql(
        f"SELECT params->'prediction'->>'n' FROM {name}.job WHERE id = '{job['id']}'",
        connection=cluster.database("shortlist"))]
    assert params == [("10",)]


def test_failed_training_says_why(api, cluster, models):
    cluster.sql("CREATE TABLE toys.nothing (line_id int PRIMARY KEY, customer_id text, sku text, "
                "bought_at timestamptz, quantity int); "
                "GRANT SELECT ON toys.nothing TO shortlist_demo")
    events = {key: value for key, value in shop.MODELS[2].items() if key not in ("order_key", "price")}
    api.post("/v1/models", {**events, "id": "nothing", "table": "toys.nothing"})
    api.post("/v1/predictions", {"name": "Empty", "id": "empty", "models": {
        "users": "customers", "events": "nothing", "products": "products"}})
    job = api.post("/v1/predictions/empty/trainings", {}, expect=202).json()
    *_, (event, last) = api.events(f"/v1/jobs/{job['id']}/events")
    assert event == "end" and last["state"] == "failed" and last["result"] is None
    assert last["error"]["code"] == "invalid" and "purchase" in last["error"]["message"]
    api.delete("/v1/predictions/empty")
    api.delete("/v1/models/nothing")


def test_quality_names_every_candidate_against_the_baselines(api, trained):
    """F19"""
    quality = api.get(f"/v1/predictions/{trained}/quality").json()
    report = quality["report"]
    learners = {candidate["learner"] for candidate in report["candidates"]}
    assert {"popularity", "als"} <= learners and report["chosen"] in learners
    assert quality["grade"] == report["grade"] and report["reason"]
    for candidate in report["candidates"]:
        ndcg = candidate["test"]["any"]["ndcg"]
        assert ndcg["low"] <= ndcg["mean"] <= ndcg["high"]
    assert api.get(f"/v1/predictions/{trained}/quality?version=1").json() == quality
    api.get(f"/v1/predictions/{trained}/quality?version=99", expect=404)
    assert faults(api.get(f"/v1/predictions/{trained}/quality?version=0", expect=422))


def test_quality_of_what_was_never_trained_is_not_ready(api, untrained):
    answer = api.get(f"/v1/predictions/{untrained}/quality", expect=409).json()
    assert answer["code"] == "not_ready" and "trainings" in answer["hint"]


def test_card_says_what_fell_out_by_which_rule(api, trained):
    """F13, F21: the card counts scope and dropped rows, with samples."""
    card = api.get(f"/v1/predictions/{trained}/versions/1").json()["card"]
    dropped = {entry["rule"]: entry for entry in card["dropped"]}
    assert dropped["no_user"]["rows"] == 40
    assert dropped["unknown_product"]["samples"][0] == "POSTAGE"
    assert dropped["returned"]["rows"] > 0
    left_out = {entry["rule"]: entry for entry in card["scope"]["left_out"]}
    assert left_out["user_no_purchase"]["samples"] == [shop.NEVER]
    assert left_out["user_no_recent_purchase"]["samples"] == [shop.LAPSED]
    assert card["scope"]["predictable_users"] == 198 and card["n"] == 5


def test_versions_are_listed_activated_and_rolled_back(api, service, cluster, untrained):
    """F21: another training makes another version; going back is one call, in the table too."""
    path = f"/v1/predictions/{untrained}"
    for _ in range(3):
        train(api, untrained)
    versions = list(api.pages(path + "/versions", limit=1))
    assert [v["version"] for v in versions] == sorted((v["version"] for v in versions), reverse=True)
    assert [v["active"] for v in versions] == [True, False, False]
    newest, middle, oldest = (v["version"] for v in versions)
    tag = api.get(path).headers["ETag"]
    assert api.post(f"{path}/versions/{middle}/activate", expect=200).json()["active"]
    assert api.get(path).json()["active_version"] == middle
    api.get(path, headers={"If-None-Match": tag})  # 200: another version is another answer
    assert api.get(f"{path}/users/c001/recommendations").json()["version"] == middle
    view = f"output_{service.name}.recommendations_{untrained.replace('-', '_')}"
    assert cluster.sql(f"SELECT DISTINCT model_version FROM {view}") == [(middle,)]
    for file in (service.data / untrained).glob(f"v{oldest}-*.snapshot"):
        file.unlink()
    gone = api.post(f"{path}/versions/{oldest}/activate", expect=409).json()
    assert gone["code"] == "conflict" and "train" in gone["hint"]
    assert api.get(path).json()["active_version"] == middle


def test_same_data_and_seed_give_the_same_lists(api, untrained):
    """F21"""
    lists = []
    for _ in range(2):
        train(api, untrained, {"seed": 42})
        lists.append([api.get(f"/v1/predictions/{untrained}/users/c{i:03}/recommendations").json()["items"]
                      for i in range(20)])
    assert lists[0] == lists[1]


def test_deleted_prediction_takes_versions_snapshot_and_table_with_it(api, service, cluster, models):
    api.post("/v1/predictions", {"name": "Doomed", "id": "doomed", "models": models})
    train(api, "doomed")
    assert list((service.data / "doomed").glob("*.snapshot"))
    api.delete("/v1/predictions/doomed")
    assert not list(service.data.glob("doomed/*.snapshot"))
    tables = cluster.sql("SELECT relname FROM pg_class WHERE relname LIKE '%doomed%'")
    assert tables == []
    api.get("/v1/predictions/doomed/users/c001/recommendations", expect=409)
    api.get("/v1/predictions/doomed/versions", expect=404)


def test_output_table_is_what_the_api_answers(api, service, cluster, trained):
    """F25: dense ranks, score 1 at rank 1 and never rising, one row per user and rank."""
    rows = cluster.sql(f"SELECT user_unique_id, recommended_item_id, ranking, score, source "
                       f"FROM output_{service.name}.recommendations_next ORDER BY 1, 3")
    by_user = {user: list(group) for user, group in itertools.groupby(rows, lambda row: row[0])}
    assert len(by_user) == 198
    for user in ("c001", "with/slash", "emoji 😀"):
        answer = api.get(f"/v1/predictions/next/users/{client_part(user)}/recommendations").json()
        assert [(i["product"], i["rank"], i["source"]) for i in answer["items"]] == \
            [(row[1], row[2], row[4]) for row in by_user[user]]
    for listed in by_user.values():
        assert [row[2] for row in listed] == list(range(1, len(listed) + 1))
        scores = [row[3] for row in listed]
        assert scores[0] == 1 and scores == sorted(scores, reverse=True)


def client_part(text):
    from client import part
    return part(text)


def test_readers_of_the_table_see_one_version_whole_while_it_changes(api, service, cluster, untrained):
    """F25: a long query over the view neither blocks the new version nor sees half of it."""
    train(api, untrained)
    view = f"output_{service.name}.recommendations_{untrained.replace('-', '_')}"
    reader = cluster.connect()
    reader.autocommit = False
    with reader.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute(f"SELECT model_version, count(*) FROM {view} GROUP BY 1")
        before = cursor.fetchall()
        train(api, untrained)
        cursor.execute(f"SELECT model_version, count(*) FROM {view} GROUP BY 1")
        assert cursor.fetchall() == before and len(before) == 1
    reader.close()
    after = cluster.sql(f"SELECT model_version, count(*) FROM {view} GROUP BY 1")
    assert len(after) == 1 and after[0][0] == before[0][0] + 1


def test_lists_are_whole_while_versions_change(api, untrained):
    """A request uses one version from start to end, also while another takes over."""
    train(api, untrained)
    path = f"/v1/predictions/{untrained}/users/c001/recommendations"
    stop, seen, wrong = threading.Event(), set(), []

    def watch():
        reader = api.with_key(api.key)
        while not stop.is_set():
            answer = reader.get(path).json()
            seen.add(answer["version"])
            if len(answer["items"]) != 10:
                wrong.append(answer)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        last = train(api, untrained)["version"]
    finally:
        stop.set()
        thread.join()
    assert not wrong and seen <= {last - 1, last}
