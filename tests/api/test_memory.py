"""F7: a memory budget is kept. What needs less than it wants does without, what needs more is refused
before a row is read, with the number."""
import re

import pytest

import bad_times

MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def large(cluster):
    """So many customers that the ranker would learn from more pairs than it needs to."""
    return bad_times.Shop(cluster, "memory").fill(800, 40, 12)


@pytest.fixture(scope="module")
def wanted(services, large):
    """What a training takes when there is plenty."""
    api = services("plenty").api
    large.configure(api)
    estimate = api.get(f"/v1/predictions/{large.name}/estimate").json()
    assert estimate["fits"] and estimate["memory_bytes"] < estimate["memory_budget_bytes"]
    return estimate["memory_bytes"]


def of_budget(services, shop, name, budget):
    api = services(name, SHORTLIST_JOBS_MEMORY_BUDGET=str(budget)).api
    shop.configure(api)
    estimate = api.get(f"/v1/predictions/{shop.name}/estimate").json()
    assert estimate["memory_budget_bytes"] == budget
    return api, estimate


def log_of(api, job):
    return [entry["text"] for entry in api.get(f"/v1/jobs/{job}").json()["log"]]


def test_a_need_above_the_budget_is_refused_before_a_row_is_read(services, large, wanted):
    """F7 F17: with both numbers, at the first attempt, and nothing is left behind."""
    budget = 20 * MEGABYTE
    api, estimate = of_budget(services, large, "tight", budget)
    assert not estimate["fits"] and budget < estimate["memory_bytes"] < wanted
    job = bad_times.end_of(api, bad_times.start(api, large.name))
    assert (job["state"], job["attempt"]) == ("failed", 1)
    need, allowed = map(int, re.search(r"needs about (\d+) MB and memory_budget allows (\d+) MB",
                                       job["error"]["message"]).groups())
    assert allowed == 20 and abs(need - estimate["memory_bytes"] / MEGABYTE) <= 1
    assert not any(text.startswith("read ") for text in log_of(api, job["id"]))
    assert api.get(f"/v1/predictions/{large.name}/versions").json()["items"] == []


def test_a_budget_somewhat_below_what_is_wanted_is_kept_by_smaller_blocks(services, large, wanted):
    """F7: it trains, says what it did without, and the estimate says what it then needs."""
    budget = wanted - 10 * MEGABYTE
    api, estimate = of_budget(services, large, "modest", budget)
    assert estimate["fits"] and estimate["memory_bytes"] == budget
    job = bad_times.end_of(api, bad_times.start(api, large.name))
    assert job["state"] == "succeeded", job
    assert any("10 MB less than wanted" in text for text in log_of(api, job["id"]))
