"""F24: train as of a past day and compare with what happened."""
import contextlib
import datetime
import itertools
import signal

import pytest

import bad_times
from bad_times import end_of, gate_shut, job_of, stands_at_gate, wait_for
from client import fault, faults
from conftest import train

DAY = "2024-05-01"
NUMBERS = itertools.count()


def backtest(api, prediction, **body):
    job = train(api, prediction, {"as_of": DAY, **body}, "backtests")
    return api.get(f"/v1/backtests/{job['result']['backtest']}").json()


@pytest.fixture(scope="module")
def looked_back(api, trained):
    """A backtest of the trained prediction, and what served before it."""
    before = api.get(f"/v1/predictions/{trained}").json(), lists(api, trained)
    return backtest(api, trained), before


def lists(api, prediction):
    return [api.get(f"/v1/predictions/{prediction}/users/c{i:03}/recommendations").json()
            for i in range(10)]


def refused(api, prediction, body):
    """The error of a backtest that only the data could refuse."""
    job = api.post(f"/v1/predictions/{prediction}/backtests", body, expect=202).json()
    ended = end_of(api, job["id"])
    assert ended["state"] == "failed" and ended["attempt"] == 1, ended
    return ended["error"]


def test_every_learner_is_judged_by_what_happened(api, looked_back, trained):
    """F24, F19: metrics of any and of new products with intervals, for candidates and baselines."""
    found, _ = looked_back
    assert found["as_of"] == "2024-05-01T00:00:00Z" and found["until"] == "2024-05-31T00:00:00Z"
    assert found["horizon_days"] == 30 and found["prediction"] == trained
    outcome = found["outcome"]
    windows = outcome["windows"]
    assert (windows["test_from"], windows["test_to"]) == (found["as_of"], found["until"])
    assert windows["validation_from"] is None and not windows["by_lot"]
    assert outcome["evaluated_users"]["any"] > 50
    learners = {c["learner"] for c in outcome["candidates"]}
    assert {"popularity", "repeat", "als"} <= learners and found["learner"] in learners
    assert outcome["chosen"] == found["choice"]["chosen"] == found["learner"]
    assert outcome["grade"] == found["grade"] and outcome["reason"]
    for candidate in outcome["candidates"]:
        assert candidate["validation"] is None
        for which in ("any", "new"):
            ndcg = candidate["test"][which]["ndcg"]
            assert 0 <= ndcg["low"] <= ndcg["mean"] <= ndcg["high"] <= 1
    assert sum(c["against_best_baseline"] is None for c in outcome["candidates"]) == 1
    assert "levels" in outcome


def test_users_judged_are_those_who_bought_after_the_day(cluster, looked_back, trained):
    """F24, F13: counted from the shop's own table: in scope on the day, and buyers since."""
    outcome = looked_back[0]["outcome"]
    buyers = cluster.sql(f"""
        SELECT count(DISTINCT customer_id) FROM toys.order_lines AS line JOIN toys.products USING (sku)
        WHERE bought_at >= '{DAY} 00:00+00' AND bought_at < '2024-05-31 00:00+00' AND quantity > 0
        AND EXISTS (SELECT FROM toys.order_lines AS earlier WHERE earlier.customer_id = line.customer_id
                    AND bought_at < '{DAY} 00:00+00' AND bought_at >= '2023-05-02 00:00+00')""")[0][0]
    available = outcome["evaluated_users"]["available_any"]
    assert 0 < available <= buyers and available > 0.8 * buyers


def test_the_choice_is_what_a_training_on_that_day_would_have_made(api, models, looked_back, trained):
    """F24, F18: same rows, same settings, same report; so no later row was looked at."""
    parameters = {k: v for k, v in api.get(f"/v1/predictions/{trained}").json().items()
                  if k in ("models", "n", "purchased_items", "horizon_days", "seed")}
    api.post("/v1/predictions", {"name": "Then", "id": "then", **parameters, "period": {"to": DAY}})
    train(api, "then")
    report = api.get("/v1/predictions/then/quality").json()["report"]
    report.pop("levels")
    choice = looked_back[0]["choice"]
    assert choice == report
    api.delete("/v1/predictions/then")


def test_nothing_is_published(api, service, looked_back, trained):
    """F24: no version, no file, no list is another."""
    _, (prediction, served) = looked_back
    now = api.get(f"/v1/predictions/{trained}").json()
    assert now["active_version"] == prediction["active_version"]
    assert now["revision"] == prediction["revision"]
    assert lists(api, trained) == served
    job = api.get(f"/v1/jobs/{looked_back[0]['id']}").json()
    assert job["kind"] == "backtest" and job["version"] is None
    assert {line["version"] for line in api.pages(f"/v1/predictions/{trained}/versions")} == \
        {prediction["active_version"]}


def test_same_day_gives_the_same_answer(api, looked_back, trained):
    """F21, F24: and an own horizon another one; both are listed, newest first."""
    again = backtest(api, trained)
    for name in ("choice", "outcome", "learner", "grade"):
        assert again[name] == looked_back[0][name]
    shorter = backtest(api, trained, horizon_days=15)
    assert shorter["until"] == "2024-05-16T00:00:00Z" and shorter["outcome"]["horizon_days"] == 15
    listed = list(api.pages(f"/v1/predictions/{trained}/backtests", limit=1))
    assert [b["id"] for b in listed[:2]] == [shorter["id"], again["id"]]
    assert all("outcome" not in b for b in listed)
    assert api.get(f"/v1/predictions/{trained}").json()["horizon_days"] == 30


def test_a_day_that_has_not_come_is_refused(api, trained):
    path = f"/v1/predictions/{trained}/backtests"
    now = datetime.datetime.now(datetime.timezone.utc)
    wrong = fault(api.post(path, {"as_of": f"{now.year + 1}-01-01"}, expect=422), "/as_of")
    assert wrong["code"] == "out_of_range" and "not come" in wrong["detail"]
    wrong = fault(api.post(path, {"as_of": (now - datetime.timedelta(days=20)).isoformat()}, expect=422),
                  "/as_of")
    latest = (now - datetime.timedelta(days=30)).date()
    assert "not over" in wrong["detail"]
    assert any(str(latest + datetime.timedelta(days=d)) in wrong["hint"] for d in (-1, 0, 1))


@pytest.mark.parametrize("body, pointer", [
    ({}, "/as_of"), ({"as_of": "yesterday"}, "/as_of"), ({"as_of": 5}, "/as_of"),
    ({"as_of": DAY, "horizon_days": 14}, "/horizon_days"),
    ({"as_of": DAY, "horizon_days": 91}, "/horizon_days"), ({"as_of": DAY, "seed": 1}, "/seed")])
def test_bad_wishes_are_refused(api, trained, body, pointer):
    assert pointer in faults(api.post(f"/v1/predictions/{trained}/backtests", body, expect=422))


def test_days_that_the_data_cannot_tell_of_say_what_would_do(api, trained):
    """F24: before the first row, with too little before it, with a horizon beyond the last row."""
    before = refused(api, trained, {"as_of": "2020-01-01"})
    assert before["code"] == "invalid" and "begins at 202" in before["message"]
    first = before["message"].rsplit(" ", 1)[1]
    soon = datetime.datetime.fromisoformat(first.replace("Z", "+00:00")) + datetime.timedelta(days=2)
    little = refused(api, trained, {"as_of": soon.isoformat()})
    assert little["code"] == "invalid" and "too little history" in little["message"]
    assert first in little["message"]
    late = refused(api, trained, {"as_of": "2024-06-20"})
    assert late["code"] == "invalid" and "not over in the data" in late["message"]
    latest = late["message"].split("as_of can be ")[1].split(" ")[0]
    assert latest.startswith("2024-05-31T")
    assert backtest(api, trained, as_of=latest)["until"].startswith("2024-06-30T")


def test_a_day_after_which_nobody_bought_is_said_to_be_unmeasured(api, cluster):
    """F24: the horizon is over, but empty of known buyers."""
    shop = bad_times.Shop(cluster, "quiet").fill(60, 20, 8).configure(api)
    shop.sql("DELETE FROM {}.lines WHERE bought_at >= '2024-10-01' AND line_id <> 1;"
             "UPDATE {}.lines SET bought_at = '2024-12-30' WHERE line_id = 1;"
             "INSERT INTO {}.customers VALUES ('late', 'x');"
             "UPDATE {}.lines SET customer_id = 'late' WHERE line_id = 1")
    found = backtest(api, shop.name, as_of="2024-11-01")
    assert found["grade"] == "C" and found["outcome"]["calibration"] is None
    assert all(c["test"]["any"] is None for c in found["outcome"]["candidates"])
    api.delete("/v1/predictions/quiet")


def test_drafts_and_strangers_are_refused(api, draft, trained):
    answer = api.post(f"/v1/predictions/{draft}/backtests", {"as_of": DAY}, expect=409).json()
    assert answer["code"] == "not_ready" and "models" in answer["hint"]
    api.post("/v1/predictions/nobody/backtests", {"as_of": DAY}, expect=404)
    api.get("/v1/predictions/nobody/backtests", expect=404)
    api.get("/v1/backtests/nothing", expect=404)
    api.get("/v1/backtests/00000000-0000-4000-8000-000000000000", expect=404)
    assert fault(api.get(f"/v1/predictions/{trained}/backtests?cursor=x", expect=422), "?cursor")


def test_repeated_start_gives_the_same_job_and_a_second_is_refused(services, cluster):
    """F17, F49: by its key; one at a time of a prediction, and a cancel while queued."""
    service = services("queue", SHORTLIST_JOBS_WORKERS="0")
    shop = bad_times.Shop(cluster, "queued").configure(service.api)
    path, key = f"/v1/predictions/{shop.name}/backtests", {"Idempotency-Key": "b"}
    first = service.api.post(path, {"as_of": DAY}, expect=202, headers=key)
    again = service.api.post(path, {"as_of": DAY}, expect=202, headers=key)
    assert again.json()["id"] == first.json()["id"]
    assert first.headers["Location"] == f"/v1/jobs/{first.json()['id']}"
    second = service.api.post(path, {"as_of": DAY}, expect=409).json()
    assert second["code"] == "conflict" and "cancel" in second["hint"]
    ended = service.api.post(f"/v1/jobs/{first.json()['id']}/cancel", expect=202).json()
    assert ended["state"] == "cancelled"
    service.stop()


@pytest.fixture
def gated(services, cluster):
    """A shop whose rows are read through a gate, on a service of its own."""
    name = f"back{next(NUMBERS)}"
    service = services(name, SHORTLIST_JOBS_POLL_MS="100", SHORTLIST_JOBS_LEASE_MS="2000")
    shop = bad_times.Shop(cluster, name).fill(60, 20, 8).gated()
    shop.configure(service.api, {"table": f"{name}.gated_lines"})
    yield service, shop
    service.stop()


SAID = {"choosing": "are from before that day", "comparing": '"text":"chosen: ', "saving": '"text":"what happened'}


@pytest.fixture
def standing(services, cluster, gated):
    """standing(stage) holds a backtest in that stage; and a daemon that runs no jobs to ask."""
    service, shop = gated
    desk = services(f"desk{service.name}", SHORTLIST_JOBS_WORKERS="0",
                    SHORTLIST_STATE_SCHEMA=f"state_{service.name}",
                    SHORTLIST_SOURCE_SHOP_OUTPUT_SCHEMA=f"output_{service.name}")

    def begin():
        return desk.api.post(f"/v1/predictions/{shop.name}/backtests", {"as_of": "2024-10-01"},
                             expect=202).json()["id"]

    def computing(stage):
        after = {"choosing": "comparing", "comparing": "saving"}[stage]

        def look():
            log = service.log_size()
            return (lambda: SAID[stage] in service.log(log)), (lambda: SAID[after] in service.log(log))
        return bad_times.stopped_between(service, desk.api, begin, look)

    @contextlib.contextmanager
    def waiting(stage):
        if stage == "reading":
            hold, reached = gate_shut(cluster, shop.name), stands_at_gate
        else:
            hold = bad_times.held(cluster, f"LOCK TABLE state_{service.name}.backtest IN SHARE MODE",
                                  cluster.database("shortlist"))
            reached = saves_a_backtest
        with hold:
            job = begin()
            wait_for(lambda: reached(cluster), f"a backtest held in {stage}")
            yield job

    yield lambda stage: (computing if stage in ("choosing", "comparing") else waiting)(stage), desk.api
    desk.stop()


def saves_a_backtest(cluster):
    return cluster.sql("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                       " AND query LIKE 'INSERT INTO backtest%'")


def made(api, shop):
    return [b["id"] for b in api.pages(f"/v1/predictions/{shop.name}/backtests")]


@pytest.mark.parametrize("stage", ["reading", "choosing", "comparing"])
def test_cancelled_backtest_leaves_nothing(stage, gated, standing):
    """F17, F24: a cancel is obeyed in every stage."""
    (service, shop), (stand, desk) = gated, standing
    with stand(stage) as job:
        if stage == "reading":
            wait_for(lambda: job_of(desk, job)["stage"] == "reading", "its stage")
        desk.post(f"/v1/jobs/{job}/cancel", expect=202)
        service.process.send_signal(signal.SIGCONT)
        ended = end_of(desk, job, 10)
    assert ended["state"] == "cancelled" and ended["result"] is None
    assert job not in made(service.api, shop)
    service.api.get(f"/v1/backtests/{job}", expect=404)


@pytest.mark.parametrize("stage", ["reading", "choosing", "comparing", "saving"])
def test_killed_daemon_makes_the_backtest_again_once(stage, gated, standing):
    """F17, F24: kill -9 in any stage; restarted, there is one result."""
    (service, shop), (stand, desk) = gated, standing
    with stand(stage) as job:
        service.kill()
    service.start()
    ended = end_of(desk, job)
    assert ended["state"] == "succeeded" and ended["attempt"] == 2, ended
    assert made(service.api, shop).count(job) == 1 and service.api.get(f"/v1/backtests/{job}")


def test_attempt_after_the_result_was_saved_only_ends_the_job(gated, cluster):
    """F17: an end that was lost is not a second computation."""
    service, shop = gated
    job = train(service.api, shop.name, {"as_of": "2024-10-01"}, "backtests")
    state = bad_times.State(service, cluster, shop.name)
    made = service.api.get(f"/v1/backtests/{job['id']}").json()
    with gate_shut(cluster, shop.name):  # a second reading would stand here
        state.stored(f"UPDATE {{}}.job SET state = 'queued', owner = NULL, result = NULL,"
                     f" finished_at = NULL WHERE id = '{job['id']}' RETURNING id")
        ended = wait_for(lambda: (found := job_of(service.api, job["id"]))["attempt"] == 2
                         and found["state"] == "succeeded" and found, "the end of the second attempt")
    assert ended["result"] == job["result"]
    assert service.api.get(f"/v1/backtests/{job['id']}").json() == made


def test_backtests_go_with_their_prediction(api, cluster):
    shop = bad_times.Shop(cluster, "passing").fill(60, 20, 8).configure(api)
    found = backtest(api, shop.name, as_of="2024-10-01")
    api.delete(f"/v1/predictions/{shop.name}")
    api.get(f"/v1/backtests/{found['id']}", expect=404)
