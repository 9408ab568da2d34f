"""F17, F47: what ended long ago is forgotten, what still serves is not."""
import shop
from bad_times import wait_for
from conftest import train


def operations(cluster, admin):
    rows = cluster.sql("SELECT operation FROM state_forgetful.audit ORDER BY n", connection=admin)
    return [row[0] for row in rows]


def test_old_jobs_and_audit_rows_go_and_the_job_of_a_version_stays(services, cluster):
    service = services("forgetful", SHORTLIST_STATE_JOBS_KEEP_DAYS="10",
                       SHORTLIST_STATE_AUDIT_KEEP_DAYS="20", SHORTLIST_DATA_VERSIONS_KEPT="1")
    api, admin = service.api, cluster.database("shortlist", user="postgres")
    for body in shop.MODELS:
        api.post("/v1/models", body)
    models = {"users": "customers", "events": "order_lines", "products": "products"}
    api.post("/v1/predictions", {"name": "There", "id": "there", "models": models})
    gone, kept = train(api, "there")["id"], train(api, "there")["id"]
    assert [v["version"] for v in api.get("/v1/predictions/there/versions").json()["items"]] == [2]
    cluster.sql("UPDATE state_forgetful.job SET created_at = created_at - interval '11 days', "
                "finished_at = finished_at - interval '11 days'", connection=admin)
    cluster.sql("UPDATE state_forgetful.audit SET at = at - interval '21 days' "
                "WHERE operation = 'createModel'", connection=admin)
    service.stop()
    service.start()
    wait_for(lambda: service.api.send("GET", f"/v1/jobs/{gone}").status_code == 404, "the old job to go")
    assert [job["id"] for job in service.api.pages("/v1/jobs")] == [kept]
    left = ["createPrediction", "startTraining", "startTraining"]
    wait_for(lambda: operations(cluster, admin) == left, "the old audit rows to go")
    assert train(service.api, "there")["version"] == 3
