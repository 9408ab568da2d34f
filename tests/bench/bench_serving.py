#!/usr/bin/python3
"""Serving: CPU per request, requests per second and p99 of a ten-item recommendation, keep-alive,
against a fixed answer of the same size from the same server, against nginx serving that size as a
static file, and while a training runs. All three get the same requests. Loopback only. Many short runs in turns: what else
the machine does can only add to a run, so beside the median stands the least of them.

    bench_serving.py [SECONDS]        build/shortlistd and build/bench/http_fixed must be there
"""
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
SECONDS = int(sys.argv[1]) if len(sys.argv) > 1 else 2
ROUNDS = 9
TRAINING_MAX = 600  # s
CONNECTIONS = 16


def cpu_seconds(pid):
    """Time on a processor of a process and its children, to the nanosecond: of threads that live,
    so it says nothing while a training runs."""
    total = 0
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for process in [pid, *children]:
        for path in pathlib.Path(f"/proc/{process}/task").glob("*/schedstat"):
            try:
                total += int(path.read_text().split()[0])
            except OSError:
                continue
    return total / 1e9


def load(url, pid, script=None, seconds=SECONDS):
    """One wrk run: requests/s, p99 in ms, CPU µs per request, errors."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency"]
    if script:
        command += ["-s", str(script)]
    before = cpu_seconds(pid)
    text = subprocess.run(command + [url], check=True, capture_output=True, text=True).stdout
    used = cpu_seconds(pid) - before
    requests = int(re.search(r"(\d+) requests in", text)[1])
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", text).groups()
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    return {"rps": requests / seconds, "cpu_us": used / requests * 1e6,
            "p99_ms": float(value) * {"us": 1e-3, "ms": 1, "s": 1e3}[unit],
            "bad": int(bad[1]) if bad else 0}


def wait_for(condition, what, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    sys.exit(f"{what}: not within {seconds} s")


class Service:
    """The real service over the real order lines in a private PostgreSQL."""

    def __init__(self, folder):
        self.folder = folder
        self.admin = subprocess.run([ROOT / "tests/cluster", "start", folder / "postgres"],
                                    check=True, capture_output=True, text=True).stdout.strip()
        subprocess.run([ROOT / "demo/load_online_retail.sh", self.admin], check=True,
                       capture_output=True)
        subprocess.run(["psql", self.admin, "-qXc", "CREATE DATABASE shortlist"], check=True)
        environment = dict(os.environ, SHORTLIST_SOURCE_SHOP_CONNECTION=self.admin,
                           SHORTLIST_STATE_CONNECTION=self.admin.replace("dbname=postgres",
                                                                         "dbname=shortlist"),
                           SHORTLIST_DATA_DIR=str(folder / "snapshots"), SHORTLIST_SERVER_PORT="0",
                           OPENBLAS_NUM_THREADS="1")
        binary = ROOT / "build/shortlistd"
        self.key = subprocess.run([binary, "keys", "create", "--name", "bench", "--scope", "admin"],
                                  env=environment, check=True, capture_output=True,
                                  text=True).stdout.strip()
        self.log = folder / "service.log"
        self.process = subprocess.Popen([binary, "serve"], env=environment,
                                        stderr=self.log.open("w"))
        port = wait_for(lambda: re.search(r'"listening".*"port":(\d+)', self.log.read_text()),
                        "the service listens")[1]
        self.url = f"http://127.0.0.1:{port}"

    def call(self, method, path, body=None):
        request = urllib.request.Request(self.url + path, method=method,
                                         data=json.dumps(body).encode() if body is not None else None,
                                         headers={"Authorization": f"Bearer {self.key}",
                                                  "Content-Type": "application/json"})
        with urllib.request.urlopen(request) as answer:
            return answer.read()

    def configure(self):
        source = (ROOT / "demo/demo.py").read_text()
        models = eval(source[source.index("MODELS = [") + len("MODELS = "):source.index("\n]\n") + 2])
        for model in models:
            self.call("POST", "/v1/models", model)
        self.call("POST", "/v1/predictions", {
            "id": "bench", "name": "bench", "models": {"users": "customers",
                                                       "events": "order_lines",
                                                       "products": "products"}})

    def train(self):
        return json.loads(self.call("POST", "/v1/predictions/bench/trainings", {}))["id"]

    def running(self, job):
        return json.loads(self.call("GET", f"/v1/jobs/{job}"))["state"] in ("queued", "running")

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
        subprocess.run([ROOT / "tests/cluster", "remove", self.folder / "postgres"], check=True)


def users_script(folder, key, users):
    """Requests are put together before the run."""
    path = folder / "users.lua"
    listed = ",".join(f'"{user}"' for user in users)
    path.write_text(f"""
local users = {{{listed}}}
local headers = {{["Authorization"] = "Bearer {key}"}}
local requests = {{}}
local i = 0
init = function()
  for k, user in ipairs(users) do
    requests[k] = wrk.format("GET", "/v1/predictions/bench/users/" .. user ..
                             "/recommendations?n=10", headers)
  end
end
request = function()
  i = i % #requests + 1
  return requests[i]
end
""")
    return path


def median(runs, figure):
    return statistics.median(run[figure] for run in runs)


def least(runs, figure):
    return min(run[figure] for run in runs)


def start_fixed(size):
    process = subprocess.Popen([ROOT / "build/bench/http_fixed", str(size)],
                               stdout=subprocess.PIPE, text=True)
    return process, f"http://127.0.0.1:{process.stdout.readline().split()[-1]}"


def start_nginx(folder, size):
    (folder / "www").mkdir()
    (folder / "www/fixed").write_bytes(b"x" * size)
    folder.chmod(0o755)
    (folder / "nginx.conf").write_text(f"""
daemon off; worker_processes 2; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 1024; }}
http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000;
  open_file_cache max=100; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{ listen 127.0.0.1:18089; root {folder}/www; default_type application/json;
    location / {{ try_files /fixed =404; }} }} }}
""")
    process = subprocess.Popen(["/usr/sbin/nginx", "-p", folder, "-c", folder / "nginx.conf"])
    wait_for(lambda: (folder / "nginx.pid").exists(), "nginx runs", 10)
    return process, "http://127.0.0.1:18089"


def show(name, runs):
    bad = sum(run["bad"] for run in runs)
    cpu = (f"{median(runs, 'cpu_us'):>6.2f} µs CPU/request (least {least(runs, 'cpu_us'):.2f})   "
           if "cpu_us" in runs[0] else "")
    print(f"  {name:<30} {median(runs, 'rps'):>7.0f} req/s   {cpu}"
          f"p99 {median(runs, 'p99_ms'):.2f} ms (least {least(runs, 'p99_ms'):.2f})"
          + (f"   {bad} BAD" if bad else ""))


def ratios(ours, other, figure):
    return (f"{median(ours, figure) / median(other, figure):.2f} "
            f"(of the least {least(ours, figure) / least(other, figure):.2f})")


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # leaving nothing behind
    folder = pathlib.Path(tempfile.mkdtemp(prefix="shortlist-bench-"))
    folder.chmod(0o755)
    service = Service(folder)
    try:
        service.configure()
        job = service.train()
        wait_for(lambda: not service.running(job), "the training ends", TRAINING_MAX)
        users = [line.split(",")[0] for line in subprocess.run(
            ["psql", service.admin, "-XAtc",
             "SELECT DISTINCT user_unique_id FROM shortlist.recommendations_bench LIMIT 2000"],
            check=True, capture_output=True, text=True).stdout.split()]
        script = users_script(folder, service.key, users)
        size = len(service.call("GET", f"/v1/predictions/bench/users/{users[0]}/recommendations"))
        pid = service.process.pid
        load(service.url, pid, script, 1)
        print(f"serving: {size} bytes, {CONNECTIONS} connections, medians of {ROUNDS} runs of "
              f"{SECONDS} s, in turns")
        fixed_process, fixed_url = start_fixed(size)
        nginx_process, nginx_url = start_nginx(folder, size)
        runs = [(load(service.url, pid, script), load(fixed_url, fixed_process.pid, script),
                 load(nginx_url, nginx_process.pid, script)) for _ in range(ROUNDS)]
        fixed_process.terminate()
        nginx_process.terminate()
        ours, fixed, nginx = zip(*runs)
        show("recommendation of 10 products", ours)
        show("fixed answer, same server", fixed)
        show("nginx, static file", nginx)
        print(f"  CPU per request: {ratios(ours, fixed, 'cpu_us')} times the fixed answer "
              f"(target 1.20), {ratios(ours, nginx, 'cpu_us')} times nginx")
        busy = []
        while len(busy) < ROUNDS:
            job = service.train()
            wait_for(lambda: b'"running"' in service.call("GET", f"/v1/jobs/{job}"), "it runs")
            while service.running(job) and len(busy) < ROUNDS:
                run = load(service.url, pid, script, 1)
                if service.running(job):
                    del run["cpu_us"]  # most of it is the training's
                    busy.append(run)
            wait_for(lambda: not service.running(job), "the training ends", TRAINING_MAX)
        idle = [load(service.url, pid, script, 1) for _ in range(ROUNDS)]
        print(f"serving while a training runs: medians of {ROUNDS} runs of 1 s")
        show("training runs", busy)
        show("idle", idle)
        print(f"  p99 while training: {ratios(busy, idle, 'p99_ms')} times idle")
    finally:
        service.stop()
        shutil.rmtree(folder)


main()
