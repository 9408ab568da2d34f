"""The processes under test: a private PostgreSQL and the service itself."""
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import threading

import psycopg2
import psycopg2.extras

import client

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("SHORTLISTD", str(ROOT / "build" / "shortlistd"))
RELEASE = ROOT / "build" / "shortlistd"  # without sanitizers, where it was built
ROLE = "shortlist_demo"  # as the loaders of demo/ grant it


class Cluster:
    """tests/cluster, with the connections that tests need."""

    def __init__(self, folder):
        self.folder = folder
        self.admin = None  # connection string of the superuser

    def run(self, *arguments):
        done = subprocess.run([ROOT / "tests" / "cluster", *arguments], check=True,
                              stdout=subprocess.PIPE, text=True)
        return done.stdout.strip()

    def start(self):
        self.admin = self.run("start", str(self.folder))

    def stop(self, mode="immediate"):
        self.run("stop", str(self.folder), mode)

    def remove(self):
        self.run("remove", str(self.folder))

    def database(self, name, user=ROLE):
        return self.admin.replace("user=postgres", f"user={user}").replace(
            "dbname=postgres", f"dbname={name}")

    def connect(self, connection=None):
        connected = psycopg2.connect(connection or self.admin)
        connected.autocommit = True
        return connected

    def sql(self, text, values=None, connection=None):
        """Runs it; rows when it gives some."""
        with contextlib.closing(self.connect(connection)) as connected, connected.cursor() as cursor:
            cursor.execute(text, values)
            return cursor.fetchall() if cursor.description else None


class Service:
    """One shortlistd with a state schema and a data folder of its own."""

    def __init__(self, cluster, folder, settings):
        folder.mkdir()
        self.binary = BINARY
        self.name = folder.name
        self.data = folder / "data"
        self.log_path = folder / "log"
        self.environment = {
            **os.environ,
            "OPENBLAS_NUM_THREADS": "1",
            "G_SLICE": "always-malloc",
            "SHORTLIST_SERVER_PORT": "0",
            "SHORTLIST_STATE_CONNECTION": cluster.database("shortlist"),
            "SHORTLIST_STATE_SCHEMA": f"state_{self.name}",
            "SHORTLIST_SOURCE_SHOP_CONNECTION": cluster.database("postgres"),
            "SHORTLIST_SOURCE_SHOP_OUTPUT_SCHEMA": f"output_{self.name}",
            "SHORTLIST_DATA_DIR": str(self.data),
            "SHORTLIST_JOBS_LEASE_MS": "2000",
            **settings,
        }
        self.process = self.api = self.key = self.port = None
        self.listening = threading.Event()

    def run(self, *arguments, **more):
        """A sub-command, to its end."""
        return subprocess.run([self.binary, *arguments], env=self.environment, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=60, **more)

    def make_key(self, scope="admin"):
        made = self.run("keys", "create", "--name", "test", "--scope", scope)
        assert made.returncode == 0, made.stderr
        return made.stdout.strip()

    def start(self, with_key=True):
        if with_key and not self.key:
            self.key = self.make_key()
        self.listening.clear()
        self.process = subprocess.Popen([self.binary, "serve"], env=self.environment,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.reader = threading.Thread(target=self.read_log, args=(self.process.stderr,), daemon=True)
        self.reader.start()
        assert self.listening.wait(60) and self.port, f"{self.name} does not listen:\n{self.log()}"
        self.api = client.Api(f"http://127.0.0.1:{self.port}", self.key)

    def read_log(self, stream):
        with open(self.log_path, "ab") as log:
            for line in stream:
                log.write(line)
                log.flush()
                self.notice(line)
        self.listening.set()  # it ended: whoever waits looks at the port

    def notice(self, line):
        try:
            entry = json.loads(line)
        except ValueError:
            return
        if isinstance(entry, dict) and entry.get("message") == "listening":
            self.port = entry["port"]
            self.listening.set()

    def log(self, since=0):
        """What it said after the first `since` bytes."""
        if not self.log_path.exists():
            return ""
        with open(self.log_path, "rb") as log:
            log.seek(since)
            return log.read().decode(errors="replace")

    def log_size(self):
        return self.log_path.stat().st_size if self.log_path.exists() else 0

    def stop(self, number=signal.SIGTERM):
        """Drains, and expects a clean end: with sanitizers that means no leak either."""
        if not self.process:
            return
        process, self.process = self.process, None
        process.send_signal(number)
        status = process.wait(60)
        self.reader.join(10)
        assert status == 0, f"{self.name} ended with {status}:\n{self.log()[-5000:]}"

    @contextlib.contextmanager
    def as_shipped(self):
        """Within, it is the binary without sanitizers, which make a training on real data ten times
        longer. Its `api` is another one then, and again afterwards."""
        self.stop()
        self.binary = RELEASE if RELEASE.exists() else BINARY
        self.start()
        yield
        self.stop()
        self.binary = BINARY
        self.start()

    def kill(self):
        process, self.process = self.process, None
        process.kill()
        process.wait(10)
        self.reader.join(10)
