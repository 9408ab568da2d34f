"""F17, F21, F25, F48: processes killed, paused and cut off in the middle of their work. Whatever
happens, a version is there wholly or not at all, and what served goes on serving."""
import contextlib
import os
import pathlib
import resource
import shutil
import signal
import subprocess

import pytest

import bad_times
from bad_times import STAGES, State, end_of, held, job_of, start, train, wait_for
from client import part

COMPUTING = ("choosing", "fitting", "building")
LINES = {"choosing": '"text":"read ', "fitting": '"text":"chosen: '}  # what the log says just before


@pytest.fixture(scope="module")
def worker(services):
    """The daemon that all this happens to."""
    return services("bad", SHORTLIST_DATA_VERSIONS_KEPT="2", SHORTLIST_JOBS_POLL_MS="100")


@pytest.fixture(scope="module")
def desk(services, worker):
    """A daemon on the same queue that runs no jobs: it answers while the worker cannot."""
    return services("desk", SHORTLIST_JOBS_WORKERS="0",
                    SHORTLIST_STATE_SCHEMA=f"state_{worker.name}",
                    SHORTLIST_SOURCE_SHOP_OUTPUT_SCHEMA=f"output_{worker.name}").api


@pytest.fixture(scope="module")
def small(cluster, worker):
    """A shop that can be held while it is read; trained once."""
    shop = bad_times.Shop(cluster, "held").fill(100, 30, 10).gated()
    shop.configure(worker.api, {"table": "held.gated_lines"})
    train(worker.api, shop.name)
    return shop


@pytest.fixture(scope="module")
def large(cluster, worker):
    """A shop whose computing takes long enough to be met; trained once."""
    shop = bad_times.Shop(cluster, "large").fill(240, 60, 12).configure(worker.api)
    train(worker.api, shop.name)
    return shop


@pytest.fixture(autouse=True)
def running(cluster, worker):
    """After each test the worker and PostgreSQL are up."""
    yield
    if not worker.process:
        worker.start()


@pytest.fixture
def standing(request, cluster, worker, desk):
    """standing(stage) holds a fresh training in that stage: gives its job and its prediction's State.
    Computing is held by stopping the process, the rest by locks in PostgreSQL."""
    @contextlib.contextmanager
    def stand(stage):
        shop = request.getfixturevalue("large" if stage in COMPUTING else "small")
        state = State(worker, cluster, shop.name)
        hold = hold_process if stage in COMPUTING else hold_in_database
        with hold(stage, state, desk) as job:
            yield job, state
    return stand


@contextlib.contextmanager
def hold_in_database(stage, state, desk):
    locks = {"reading": f"SELECT pg_advisory_xact_lock(hashtext('{state.prediction}'))",
             "publishing": f"LOCK TABLE {state.view}_rows IN SHARE UPDATE EXCLUSIVE MODE",
             "activating": f"LOCK TABLE {state.output}.shortlist_pointer IN SHARE MODE"}
    reached = bad_times.stands_at_gate if stage == "reading" else bad_times.waits_for_lock
    with held(state.cluster, locks[stage]):
        job = start(desk, state.prediction)
        wait_for(lambda: reached(state.cluster), f"a training held in {stage}")
        yield job


def hold_process(stage, state, desk):
    def look():
        before = state.service.log_size(), state.files()
        return (lambda: has_come(stage, state, *before)), (lambda: has_gone(stage, state, *before))

    return bad_times.stopped_between(state.service, desk, lambda: start(desk, state.prediction), look)


def has_come(stage, state, log_before, files_before):
    if stage == "building":
        return any(name.endswith(".part") for name in state.files())
    return LINES[stage] in state.service.log(log_before)


def has_gone(stage, state, log_before, files_before):
    if stage == "choosing":
        return has_come("fitting", state, log_before, files_before)
    return stage == "fitting" and state.files() != files_before


@pytest.mark.parametrize("stage", STAGES)
def test_killed_daemon_runs_the_job_to_its_end_once(stage, standing, worker, desk):
    """F17: kill -9 in any stage; restarted, the job is taken up at once, long before its lease would
    run out, ends as one version, and nothing is left over."""
    with standing(stage) as (job, state):
        before = state.pointer()
        worker.kill()
        state.stored("UPDATE {}.job SET lease_until = now() + interval '10 minutes'"
                     f" WHERE id = '{job}'")
    worker.start()
    ended = end_of(desk, job)
    assert ended["state"] == "succeeded" and ended["attempt"] == 2, ended
    assert state.check_whole() == ended["version"] > before
    assert len(state.stored(f"SELECT 1 FROM {{}}.version WHERE job = '{job}'")) == 1


def test_killed_daemon_takes_its_own_job_up_at_once_when_postgresql_is_back(services, cluster):
    """F17, F48: killed under a long lease, and started again before PostgreSQL is. The job of another
    daemon on the queue, which is dead as well but had a folder of its own, waits for its lease."""
    lease = {"SHORTLIST_JOBS_LEASE_MS": "600000", "SHORTLIST_JOBS_POLL_MS": "100"}
    service = services("patient", **lease)
    other = services("gone", SHORTLIST_STATE_SCHEMA="state_patient", **lease)
    names = ("patient_one", "patient_two")
    for name in names:
        shop = bad_times.Shop(cluster, name).fill(50, 20, 5).gated()
        shop.configure(service.api, {"table": f"{name}.gated_lines"})
    gates = "".join(f"SELECT pg_advisory_xact_lock(hashtext('{name}'));" for name in names)
    with held(cluster, gates):
        jobs = [start(service.api, name) for name in names]
        wait_for(lambda: all(job_of(service.api, job)["state"] == "running" for job in jobs), "both")
        owners = State(service, cluster, names[0]).stored(
            "SELECT split_part(owner, ':', 3), id FROM {}.job")
        own = dict(owners)[str(service.process.pid)]
        service.kill()
        other.kill()
        cluster.stop()
    service.start()
    cluster.start()
    ended = end_of(service.api, own)
    assert ended["state"] == "succeeded" and ended["attempt"] == 2, ended
    left = job_of(service.api, next(job for job in jobs if job != own))
    assert left["state"] == "running" and left["attempt"] == 1, left
    service.stop()


@pytest.mark.parametrize("stage", STAGES[:-1])
def test_cancelled_training_leaves_nothing(stage, standing, desk):
    """F17: a cancel is obeyed in every stage up to publishing, and the version before stays."""
    with standing(stage) as (job, state):
        before = state.versions(), state.pointer()
        desk.post(f"/v1/jobs/{job}/cancel", expect=202)
        if stage in COMPUTING:
            state.service.process.send_signal(signal.SIGCONT)
        ended = end_of(desk, job, 10)
    assert ended["state"] == "cancelled" and ended["result"] is None
    assert (state.versions(), state.pointer()) == before
    state.check_whole()


def test_cancel_while_rows_are_counted_is_obeyed(cluster, worker, desk):
    """F17: also before the first row comes, when a view is slow to count."""
    shop = bad_times.Shop(cluster, "slow").fill(50, 20, 5)
    shop.sql("CREATE VIEW {}.slow_lines AS SELECT l.* FROM {}.lines l WHERE (SELECT pg_sleep(30)) IS NOT"
             " NULL; GRANT SELECT ON {}.slow_lines TO shortlist_demo")
    shop.configure(worker.api, {"table": "slow.slow_lines"})
    job = start(desk, shop.name)
    wait_for(lambda: cluster.sql("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
                                 " AND query LIKE '%count(%slow_lines%'"), "counting")
    desk.post(f"/v1/jobs/{job}/cancel", expect=202)
    assert end_of(desk, job, 10)["state"] == "cancelled"


def test_cancel_after_the_version_exists_comes_too_late(standing, desk):
    """F17: what is published stays published, wholly."""
    with standing("activating") as (job, state):
        desk.post(f"/v1/jobs/{job}/cancel", expect=202)
    ended = end_of(desk, job)
    assert ended["state"] == "succeeded" and state.check_whole() == ended["version"]


def test_pointer_that_is_locked_for_long_is_waited_for(standing, desk, cluster):
    """F25: the version exists; giving up now would leave table and service apart."""
    with standing("activating") as (job, state):
        pids = "SELECT pid FROM pg_stat_activity WHERE application_name = 'shortlist output'"
        first = cluster.sql(pids)
        wait_for(lambda: job_of(desk, job)["state"] in bad_times.ENDED or cluster.sql(pids) != first,
                 "the first try to end")
    ended = end_of(desk, job)
    assert ended["state"] == "succeeded" and state.check_whole() == ended["version"]


@pytest.mark.parametrize("stage", ["choosing", "publishing"])
def test_paused_worker_loses_to_the_one_that_took_over(stage, standing, request, services, worker,
                                                       desk):
    """F17: paused longer than its lease, woken after another daemon finished the job: one version,
    and the table is that daemon's."""
    other = services(f"other_{stage}", start=False, SHORTLIST_DATA_VERSIONS_KEPT="2",
                     SHORTLIST_JOBS_POLL_MS="100", SHORTLIST_STATE_SCHEMA=f"state_{worker.name}",
                     SHORTLIST_SOURCE_SHOP_OUTPUT_SCHEMA=f"output_{worker.name}")
    with standing(stage) as (job, state):
        worker.process.send_signal(signal.SIGSTOP)
        # What the other reads is not what the paused one read, so that the table tells them apart.
        request.getfixturevalue("large" if stage in COMPUTING else "small").shake()
        other.start()
        wait_for(lambda: job_of(desk, job)["attempt"] == 2, "the take-over")
        if stage in COMPUTING:
            end_of(desk, job)
    ended = end_of(desk, job)
    rows = state.rows()
    worker.process.send_signal(signal.SIGCONT)
    lost = f'"job":"{job}","kind":"training","prediction":"{state.prediction}","attempt":1,"outcome":"lost"'
    wait_for(lambda: lost in worker.log(), "the loser's end")
    assert ended["state"] == "succeeded" and ended["attempt"] == 2
    assert state.rows() == rows, "the loser replaced what the winner published"
    assert job_of(desk, job)["result"] == ended["result"]
    assert state.active() == state.pointer() == ended["version"]
    bad_times.check_rows(rows, ended["version"])
    assert len(state.stored(f"SELECT 1 FROM {{}}.version WHERE job = '{job}'")) == 1
    other.stop()
    for _ in range(2):  # and the versions whose files are the other's go
        train(worker.api, state.prediction)
    state.check_whole()


@pytest.mark.parametrize("stage", STAGES)
def test_postgresql_stopped_in_a_stage_is_survived(stage, standing, worker, cluster):
    """F17, F25: the job ends after another attempt, or says why not; never by half."""
    with standing(stage) as (job, state):
        before = state.pointer()
        cluster.stop()
    wait_for(lambda: worker.api.get("/readyz").json()["database"] == "down", "the outage is seen")
    assert worker.api.get(f"/v1/predictions/{state.prediction}/users/u1/recommendations").json()["items"]
    cluster.start()
    ended = end_of(worker.api, job)
    assert ended["state"] == "succeeded", ended
    assert state.check_whole() == ended["version"] > before


# ---- serving without PostgreSQL ----

@pytest.fixture
def outage(cluster, worker, small):
    """PostgreSQL is away until the test starts it."""
    up = []

    def end():
        if not up:
            up.append(cluster.start())

    cluster.stop()
    yield end
    end()
    wait_for(lambda: worker.api.with_key(None).get("/readyz").json()["database"] == "up", "PostgreSQL")


MEMORY = ("/v1/predictions/held/users/u1/recommendations?fields=*", "/v1/predictions/held/users/u1",
          "/v1/predictions/held/popular?column=colour&value=colour%201",
          "/v1/predictions/held/columns", "/v1/predictions/held/columns/colour/values?prefix=col")


def check_serving_alone(api):
    for path in MEMORY:
        assert api.get(path).json()
    for path in ("/v1/predictions/held", "/v1/models", "/v1/jobs", "/v1/audiences", "/v1/keys"):
        away = api.get(path, expect=503)
        assert away.json()["code"] == "unavailable" and int(away.headers["Retry-After"]) > 0
    assert api.post("/v1/predictions/held/trainings", {}, expect=503).json()["code"] == "unavailable"
    ready = api.get("/readyz").json()
    assert ready["status"] == "ready" and ready["database"] == "down" and ready["snapshots"] >= 1


def test_outage_leaves_what_memory_can_answer_and_ends_without_a_trace(outage, worker, cluster):
    """F26, F48: lists and columns go on, configuration answers 503, and then all is as before."""
    check_serving_alone(worker.api)
    outage()
    wait_for(lambda: worker.api.send("GET", "/v1/predictions/held").status_code == 200, "configuration")
    train(worker.api, "held")
    State(worker, cluster, "held").check_whole()


def test_daemon_started_without_postgresql_serves_with_the_keys_it_knew(outage, worker, cluster):
    """F47, F48: and takes up its work when PostgreSQL is back."""
    worker.kill()
    worker.start()
    check_serving_alone(worker.api)
    worker.api.with_key("shl_unknown").get(MEMORY[0], expect=401)
    outage()
    wait_for(lambda: worker.api.send("GET", "/v1/predictions/held").status_code == 200, "configuration")
    train(worker.api, "held")
    State(worker, cluster, "held").check_whole()


# ---- the disk ----

@pytest.fixture
def tiny_disk(folder):
    """A folder that holds a few MiB and no more, when we may mount one; else any folder."""
    disk = folder / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "shortlist-test", disk],
                             stderr=subprocess.DEVNULL).returncode == 0
    yield disk, mounted
    if mounted:
        subprocess.run(["umount", "-l", disk], check=True)


def limit_files(service, size):
    """No file that the process writes may grow beyond that."""
    _, hard = resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE,
                     (resource.RLIM_INFINITY if size is None else size, hard))


def check_full_disk(service, shop, fill, free):
    state = State(service, shop.cluster, shop.name)
    train(service.api, shop.name)
    fill()
    error = bad_times.refused(service.api, shop.name)
    assert error["code"] == "no_space" and "snapshot" in error["message"], error
    assert str(service.data) not in error["message"], "paths are not for callers"
    assert state.check_whole() == 1
    free()
    assert train(service.api, shop.name)["version"] == 3
    state.check_whole()


def test_full_disk_fails_the_training_and_spares_the_old_version(services, cluster, tiny_disk):
    """F17, F21: the job says what was short; with room again the next training is whole."""
    disk, mounted = tiny_disk
    service = services("full", SHORTLIST_DATA_DIR=str(disk / "data"))
    service.data = disk / "data"
    shop = bad_times.Shop(cluster, "brimful").fill(120, 40, 10).configure(service.api)
    ballast = pathlib.Path(disk / "ballast")

    def fill():
        if not mounted:
            return limit_files(service, 4096)
        with contextlib.suppress(OSError), open(ballast, "wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)
        os.truncate(ballast, ballast.stat().st_size - 16384)

    def free():
        if mounted:
            ballast.unlink()
        else:
            limit_files(service, None)

    check_full_disk(service, shop, fill, free)
    service.stop()


def test_file_size_limit_fails_the_training_and_not_the_daemon(services, cluster):
    """F17: a limit of the administrator's is a full disk too, and no signal ends us."""
    service = services("limited")
    shop = bad_times.Shop(cluster, "limited").fill(120, 40, 10).configure(service.api)
    check_full_disk(service, shop, lambda: limit_files(service, 20000),
                    lambda: limit_files(service, None))
    service.stop()


# ---- damaged files ----

@pytest.fixture(scope="module")
def two_versions(services, cluster):
    """A service with versions 1 and 2 of a prediction, and a copy of its folder."""
    service = services("damage")
    shop = bad_times.Shop(cluster, "damage").fill(120, 40, 10).configure(service.api)
    train(service.api, shop.name)
    train(service.api, shop.name)
    copy = service.data.parent / "copy"
    shutil.copytree(service.data, copy)
    return service, copy


@pytest.fixture
def restarted(two_versions):
    """restarted(change) gives the service after change(data folder, newest file) while it was down."""
    service, copy = two_versions

    def restart(change):
        service.stop()
        shutil.rmtree(service.data)
        shutil.copytree(copy, service.data)
        change(service.data, service.data / "damage" / "v2-1.snapshot")
        service.start()
        return service

    return restart


def serves(service, version):
    path = f"/v1/predictions/damage/users/{part('u1')}/recommendations"

    def looks():
        answer = service.api.send("GET", path)
        return answer.status_code == 200 and answer.json()["version"] == version
    return looks


def flip(file, place):
    data = bytearray(file.read_bytes())
    data[min(int(place * len(data)), len(data) - 1)] ^= 0x40
    file.write_bytes(data)


@pytest.mark.parametrize("place", [0, 0.0005, 0.1, 0.35, 0.5, 0.75, 0.95, 1])
def test_flipped_bit_brings_the_version_before(place, restarted):
    """F21: wherever it is, the damaged file is set aside and the previous version serves."""
    service = restarted(lambda data, newest: flip(newest, place))
    wait_for(serves(service, 1), "version 1")
    wait_for(lambda: not service.api.get("/readyz").json()["verifying"], "verified")
    assert (service.data / "damage" / "v2-1.snapshot.damaged").exists()
    assert serves(service, 1)()


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.999])
def test_truncated_file_brings_the_version_before(share, restarted):
    """F21"""
    service = restarted(lambda data, newest: os.truncate(newest, int(newest.stat().st_size * share)))
    wait_for(serves(service, 1), "version 1")


def test_both_files_damaged_is_no_version_until_the_next_training(restarted):
    """F21: 409 with what to do, never an answer from a damaged file."""
    def damage(data, newest):
        for file in (newest, newest.with_name("v1-1.snapshot")):
            flip(file, 0.4)

    service = restarted(damage)
    path = "/v1/predictions/damage/users/u1/recommendations"
    wait_for(lambda: service.api.send("GET", path).status_code == 409, "refusal")
    assert service.api.get(path, expect=409).json()["code"] == "not_ready"
    version = train(service.api, "damage")["version"]
    wait_for(serves(service, version), "the new version")


@pytest.mark.parametrize("content", [None, b"", b"{", b"\x00" * 64, b'{"format":99,"predictions":[]}',
                                     b'{"format":1,"predictions":[{"prediction":"../x","file":"/etc"}]}',
                                     b'{"format":1,"predictions":{}}'])
def test_unreadable_list_of_versions_is_made_anew(content, restarted):
    """F21: PostgreSQL still knows which version is active, and its file is there."""
    def change(data, newest):
        current = data / "CURRENT"
        current.unlink() if content is None else current.write_bytes(content)

    service = restarted(change)
    active = service.api.get("/v1/predictions/damage").json()["active_version"]
    newest = max(int(p.name[1]) for p in (service.data / "damage").glob("*.snapshot"))
    if active == newest:
        wait_for(serves(service, active), "the active version")
