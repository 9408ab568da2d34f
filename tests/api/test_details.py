"""F22, F21: what a training finds out on the side: products bought together, what the learner looks
at, and how far the estimate was off."""
import collections
import itertools

import pytest

import bad_times
from client import faults
from conftest import train


@pytest.fixture(scope="module")
def details(api, trained):
    return api.get(f"/v1/predictions/{trained}/versions/1/details").json()


def pairs_of(cluster):
    """Both products' and pairs' baskets, counted from the tables: orders, without what went back."""
    lines = cluster.sql("""
        SELECT order_no, customer_id, sku, bought_at, quantity FROM toys.order_lines
        JOIN toys.products USING (sku) WHERE customer_id IS NOT NULL ORDER BY bought_at, quantity DESC""")
    left = collections.defaultdict(list)  # (customer, product): [order, quantity left], oldest first
    for order, customer, sku, _, quantity in lines:
        stack = left[customer, sku]
        if quantity > 0:
            stack.append([order, quantity])
        while quantity < 0 and stack:
            quantity += stack[-1][1]
            if quantity > 0:
                stack[-1][1] = quantity
            else:
                stack.pop()
    baskets = collections.defaultdict(set)
    for (_, sku), stack in left.items():
        for order, _ in stack:
            baskets[order].add(sku)
    single = collections.Counter(sku for basket in baskets.values() for sku in basket)
    both = collections.Counter(pair for basket in baskets.values()
                               for pair in itertools.combinations(sorted(basket), 2))
    return len(baskets), single, both


def test_relations_are_the_pairs_counted_by_hand(cluster, details):
    """F22: top pairs by lift with at least the minimum of baskets; support and confidence are exact."""
    relations = details["details"]["relations"]
    n, single, both = pairs_of(cluster)
    assert relations["baskets"] == n and relations["large_baskets_left_out"] == 0
    least = relations["minimum_baskets"]
    assert least == max(5, -(-n // 2000))
    lift = {pair: count * n / (single[pair[0]] * single[pair[1]])
            for pair, count in both.items() if count >= least}
    expected = sorted((value for value in lift.values() if value > 1), reverse=True)[:100]
    assert [pair["lift"] for pair in relations["pairs"]] == pytest.approx(expected, rel=1e-4)
    for pair in relations["pairs"]:
        together = both[tuple(sorted((pair["product"], pair["with"])))]
        assert pair["baskets"] == together
        assert pair["support"] == pytest.approx(together / n, rel=1e-4)
        assert pair["confidence"] == pytest.approx(together / single[pair["product"]], rel=1e-4)
        assert pair["reverse_confidence"] == pytest.approx(together / single[pair["with"]], rel=1e-4)
        assert pair["confidence"] >= pair["reverse_confidence"]


def test_without_orders_a_basket_is_a_day_of_one_customer(api, cluster):
    """F22: and what the learner looks at adds up, or the learner does not tell."""
    shop = bad_times.Shop(cluster, "daily").fill(80, 12, 30).configure(api)
    train(api, shop.name)
    answer = api.get(f"/v1/predictions/{shop.name}/versions/1/details").json()
    days = cluster.sql("SELECT count(DISTINCT (customer_id, (bought_at AT TIME ZONE 'UTC')::date))"
                       " FROM daily.lines")[0][0]
    assert answer["details"]["relations"]["baskets"] == days
    api.delete("/v1/predictions/daily")


def test_importance_is_of_the_learner_that_serves(api, details, trained):
    """F22: named groups in plain words, shares add up to 1; null of a learner that does not tell."""
    assert details["learner"] == api.get(f"/v1/predictions/{trained}/versions/1").json()["learner"]
    importance = details["details"]["importance"]
    if details["learner"] != "ranked":
        assert importance is None
        return
    shares = [group["share"] for group in importance]
    assert sum(shares) == pytest.approx(1, abs=1e-4) and shares == sorted(shares, reverse=True)


def test_details_of_what_is_not_there(api, trained, untrained):
    api.get(f"/v1/predictions/{trained}/versions/99/details", expect=404)
    api.get(f"/v1/predictions/{untrained}/versions/99/details", expect=404)
    assert faults(api.get(f"/v1/predictions/{trained}/versions/1/details?x=1", expect=422))


def test_version_of_before_has_no_details(api, service, cluster, untrained):
    version = train(api, untrained)["version"]
    bad_times.State(service, cluster, untrained).stored(
        f"UPDATE {{}}.version SET details = NULL WHERE prediction = '{untrained}' RETURNING version")
    answer = api.get(f"/v1/predictions/{untrained}/versions/{version}/details").json()
    assert answer["details"] is None


def test_card_tells_how_far_the_estimate_was_off(api, untrained):
    """F7, F21: what was estimated before the start beside seconds and memory measured."""
    path = f"/v1/predictions/{untrained}"
    first = api.get(path + "/estimate").json()
    version = train(api, untrained)["version"]
    card = api.get(f"{path}/versions/{version}").json()["card"]
    estimate = card["estimate"]
    for name in ("seconds", "memory_bytes", "basis"):
        assert estimate[name] == first[name]
    assert sum(card["timings"].values()) <= estimate["actual_seconds"]
    assert set(card["timings"]) == {"reading", "choosing", "fitting", "building", "publishing"}
    assert estimate["actual_memory_bytes"] == card["peak_memory_bytes"]
    assert estimate["actual_memory_bytes"] >= estimate["memory_bytes_before"] > 1e6
    second = train(api, untrained)["version"]
    later = api.get(f"{path}/versions/{second}").json()["card"]["estimate"]
    assert f"version {version} " in later["basis"]
