#!/usr/bin/env python3
"""The walk-through: what a newcomer would do, through the public HTTP API alone.

    demo.py URL KEY CONNECTION      CONNECTION is only for the last step, reading the output by SQL.
"""
import json
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

sys.stdout.reconfigure(line_buffering=True)
URL, KEY, CONNECTION = sys.argv[1:4]
OPEN = urllib.request.build_opener(urllib.request.ProxyHandler({})).open  # never through a proxy


def call(method, path, body=None, accept="application/json"):
    headers = {"Authorization": f"Bearer {KEY}", "Accept": accept}
    data = None
    if body is not None:
        data = json.dumps(body).encode()
        headers["Content-Type"] = "application/json"
    request = urllib.request.Request(URL + path, data=data, headers=headers, method=method)
    try:
        with OPEN(request) as answer:
            text = answer.read().decode()
            return json.loads(text) if "json" in answer.headers["Content-Type"] else text
    except urllib.error.HTTPError as error:
        sys.exit(f"{method} {path}: {error.code} {error.read().decode()}")


def part(identifier):
    return urllib.parse.quote(str(identifier), safe="")


def heading(text):
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n== {text}")


def cut(cell, width):
    text = str(cell)
    return text if len(text) <= width else text[:width - 1] + "…"


def table(rows, widths):
    """A negative width aligns right."""
    for row in rows:
        print("  " + "  ".join(f"{cut(cell, width):<{width}}" if width > 0 else
                               f"{cut(cell, -width):>{-width}}"
                               for cell, width in zip(row, widths)).rstrip())


MODELS = [
    {"id": "order_lines", "name": "Order lines", "type": "events", "source": "shop",
     "table": "shop.order_lines", "primary_key": "line_id", "user_key": "customer_id",
     "product_key": "stock_code", "time": "invoice_date", "quantity": "quantity",
     "order_key": "invoice_no", "price": "unit_price"},
    {"id": "products", "name": "Products", "type": "products", "source": "shop",
     "table": "shop.products", "primary_key": "stock_code", "fields": [
         {"column": "product_name", "kind": "text"},
         {"column": "product_type", "separator": "|"},
         {"column": "colour", "separator": "|"},
         {"column": "material", "separator": "|"},
         {"column": "set_or_single"},
         {"column": "price_band"},
         {"column": "price", "kind": "numeric"}]},
    {"id": "customers", "name": "Customers", "type": "users", "source": "shop",
     "table": "shop.customers", "primary_key": "customer_id", "fields": [{"column": "country"}]},
]


def describe_data():
    heading("1. Three models describe the shop's tables, where they are")
    for model in MODELS:
        made = call("POST", "/v1/models", model)
        print(f"  POST /v1/models  {made['id']:<12} {made['type']:<9} {made['table']}")
    profile = call("GET", "/v1/models/order_lines/profile")
    print(f"  profile of order_lines: {profile['rows']} rows, {len(profile['columns'])} columns")


def configure():
    heading("2. A prediction, and what the data doctor says of its data")
    call("POST", "/v1/predictions", {
        "id": "next-purchase", "name": "Next purchase", "horizon_days": 30,
        "models": {"users": "customers", "events": "order_lines", "products": "products"}})
    report = call("GET", "/v1/predictions/next-purchase/validate")
    table([("level", "finding", "rows", "what it means")] +
          [(f["level"], f["code"], f["count"], f["message"]) for f in report["findings"]],
          (8, 20, -8, 100))
    estimate = call("GET", "/v1/predictions/next-purchase/estimate")
    print(f"  estimate: {estimate['rows']} order lines, {estimate['users']} customers, "
          f"{estimate['products']} products, {estimate['memory_bytes'] / 1e6:.0f} MB, "
          f"{estimate['seconds']:.0f} s")


def train():
    heading("3. A training, live")
    job = call("POST", "/v1/predictions/next-purchase/trainings", {})
    began, shown = time.monotonic(), None
    request = urllib.request.Request(f"{URL}/v1/jobs/{job['id']}/events",
                                     headers={"Authorization": f"Bearer {KEY}",
                                              "Accept": "text/event-stream"})
    with OPEN(request) as stream:
        for line in stream:
            if not line.startswith(b"data:"):
                continue
            job = json.loads(line[5:])
            now = (job["stage"], int(job["percent"]))
            if now != shown:
                eta = f"{job['eta_seconds']:.0f} s left" if job.get("eta_seconds") else ""
                print(f"  {job['percent']:5.1f} %  {job['stage']:<12} {eta}")
            shown = now
            if job["state"] in ("succeeded", "failed", "cancelled"):
                break
    if job["state"] != "succeeded":
        sys.exit(f"the training ended as {job['state']}: {job['error']}")
    result = job["result"]
    print(f"  done in {time.monotonic() - began:.1f} s: version {job['version']}, "
          f"learner {result['learner']}, grade {result['grade']}, table {result['output_table']}")


def mean_low_high(value):
    return f"{value['mean']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"


def quality():
    heading("4. The quality report: tested on the last 30 days, which no learner saw")
    report = call("GET", "/v1/predictions/next-purchase/quality")["report"]
    rows = [("", "NDCG@10, any product", "hit rate", "NDCG@10, new to the customer")]
    for candidate in report["candidates"]:
        test = candidate["test"]
        mark = "*" if candidate["learner"] == report["chosen"] else " "
        rows.append((mark + " " + candidate["title"], mean_low_high(test["any"]["ndcg"]),
                     mean_low_high(test["any"]["hit_rate"]), mean_low_high(test["new"]["ndcg"])))
    table(rows, (44, 20, 20, 28))
    print(f"  grade {report['grade']}: {report['reason']}")
    print(f"  purchased products: {report['purchased_items']['reason']}")
    if report["calibration"]:
        probabilities(report["calibration"])


def probabilities(report):
    """What was expected of the test window by what was known before it, against what happened."""
    print("\n  probabilities, expected against bought in those 30 days:")
    parts = (("all pairs of customer and product", report["overall"]),
             ("the 1 % most probable", report["top_1_percent"]),
             ("the 5 % most probable", report["top_5_percent"]),
             ("the lists of ten", report["lists"]))
    table([("", "expected", "bought", "ratio")] +
          [(name, f"{levels['expected']:.0f}", f"{levels['actual']:.0f}",
            f"{levels['ratio']:.2f}" if levels["ratio"] is not None else "-")
           for name, levels in parts], (34, -9, -9, -6))
    error = report["best_sellers"]["median_error"]
    print(f"  buyers of the twenty best sellers: median error {error:.0%}; "
          f"calibration error of the lists {report['lists']['ece']:.3f}")


def chance(one):
    return "" if one["probability"] is None else f"{one['probability']:.0%}"


def recommendations():
    heading("5. Ten recommendations for three customers, next to what they bought last")
    for customer in ("12748", "14646", "17841"):
        base = f"/v1/predictions/next-purchase/users/{part(customer)}"
        user = call("GET", f"{base}?fields=product_name")
        answer = call("GET", f"{base}/recommendations?n=10&fields=product_name")
        bought = [h["fields"].get("product_name") or h["product"] for h in user["history"][:10]]
        bought += [""] * (10 - len(bought))
        print(f"  customer {customer} ({user['history_total']} products bought)")
        table([("", "score", "chance", "recommended", "bought last")] +
              [(i["rank"], f"{i['score']:.2f}", chance(i),
                i["fields"].get("product_name") or i["product"], b)
               for i, b in zip(answer["items"], bought)], (3, 6, -6, 38, 38))


def show_audience(title, body):
    made = call("POST", "/v1/audiences", body)
    page = call("GET", f"/v1/audiences/{made['id']}/members?limit=5")
    print(f"  {title}: {page['size']} of {page['predictable']} customers")
    table([(m["rank"], m["user"], f"{m['score']:.3f}", chance(m)) for m in page["items"]],
          (4, 12, 8, -5))
    return made["id"]


def audiences():
    heading("6. Audiences: who will want this product, who this group of products")
    top = call("GET", "/v1/predictions/next-purchase/popular?n=1&fields=product_name")["items"][0]
    show_audience(f"{top['fields']['product_name']} ({top['product']})",
                  {"id": "best-seller", "name": "Best seller", "prediction": "next-purchase",
                   "product": top["product"], "max_size": 200})
    values = call("GET", "/v1/predictions/next-purchase/columns/product_type/values?limit=6")
    print("  product types to choose from: " +
          ", ".join(f"{v['value']} ({v['products']})" for v in values["items"]))
    chosen = values["items"][0]["value"]
    identifier = show_audience(f"product_type = {chosen}, best 20 %",
                               {"id": "group", "name": "Product group",
                                "prediction": "next-purchase", "column": "product_type",
                                "value": chosen, "percentile": 20})
    text = call("GET", f"/v1/audiences/{identifier}/members?format=csv", accept="text/csv")
    print(f"  as CSV: {len(text.splitlines())} lines")


def output_table():
    heading("7. The same lists as a table in the shop's own database")
    sql = ("SELECT user_unique_id, ranking, recommended_item_id, round(score::numeric, 3) AS score, "
           "round(probability::numeric, 3) AS probability, source, model_version, last_update_date::timestamp(0) "
           "FROM shortlist.recommendations_next_purchase ORDER BY user_unique_id, ranking LIMIT 6")
    subprocess.run(["psql", CONNECTION, "-X", "-P", "footer=off", "-P", "pager=off", "-c", sql],
                   check=True)


for step in (describe_data, configure, train, quality, recommendations, audiences, output_table):
    step()
