"""Runs Fides beside Habeas: installs the published package, starts it against the same PostgreSQL server, and times
the same two requests of the same person on the same rows.

Nothing of Fides is kept in this repository: its sample schema, rows and dataset file are those of the installed package.
Writes one JSON object: seconds a case, and the peak resident memory of its processes.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

VERSION = "2.78.2"
PERSON = "u1@load.example"
HERE = Path(__file__).resolve().parent
START_SECONDS = 300
REQUEST_SECONDS = 900


def say(text: str) -> None:
    print(f"fides: {text}", file=sys.stderr, flush=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A PostgreSQL server by the URL of a role that may create databases."""

    def __init__(self, url: str) -> None:
        parts = urllib.parse.urlsplit(url)
        self.host, self.port = parts.hostname or "127.0.0.1", parts.port or 5432
        self.user, self.password = urllib.parse.unquote(parts.username or "postgres"), urllib.parse.unquote(parts.password or "")

    def run(self, venv: Path, database: str, *statements: str) -> None:
        """Runs SQL with the driver that Fides brings, so that no client has to be installed."""
        program = (
            "import os,sys,json,psycopg2;c=psycopg2.connect(host=sys.argv[1],port=sys.argv[2],user=sys.argv[3],"
            "dbname=sys.argv[4],password=os.environ['PGPASSWORD']);c.autocommit=True;k=c.cursor();"
            "[k.execute(s) for s in json.load(sys.stdin)]"
        )
        command = [venv / "bin/python", "-c", program, self.host, str(self.port), self.user, database]
        environment = os.environ | {"PGPASSWORD": self.password}
        subprocess.run(command, check=True, env=environment, input=json.dumps(statements).encode())

    def create(self, venv: Path, database: str) -> None:
        self.run(venv, "postgres", f"drop database if exists {database} with (force)", f"create database {database}")


def install(folder: Path) -> Path:
    """The virtual environment with Fides; about 800 MB and eight minutes the first time."""
    venv = folder / "venv"
    marker = venv / f"fides-{VERSION}"
    if not marker.exists():
        say(f"installing ethyca-fides {VERSION} into {venv} (about eight minutes) ...")
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        subprocess.run([venv / "bin/pip", "install", "-q", f"ethyca-fides=={VERSION}"], check=True)
        marker.touch()
    return venv


def package_data(venv: Path) -> Path:
    found = sorted(venv.glob("lib/python3*/site-packages/fides/data/sample_project"))
    return found[0]


class Api:
    def __init__(self, port: int) -> None:
        self.base = f"http://127.0.0.1:{port}/api/v1"
        self.token = ""

    def call(self, method: str, path: str, body: object = None, form: dict[str, str] | None = None) -> object:
        data, headers = None, {"Authorization": f"Bearer {self.token}"} if self.token else {}
        if form is not None:
            data = urllib.parse.urlencode(form).encode()
        elif body is not None:
            data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        request = urllib.request.Request(self.base + path, data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.loads(answer.read() or "null")
        except urllib.error.HTTPError as error:
            raise SystemExit(f"fides: {method} {path} answered {error.code}: {error.read()[:500]!r}") from error

    def sign_in(self) -> None:
        form = {"client_id": "fidesadmin", "client_secret": "fidesadminsecret"}
        self.token = self.call("POST", "/oauth/token", form=form)["access_token"]


class Fides:
    def __init__(self, venv: Path, folder: Path, server: Server, redis_port: int, redis_password: str) -> None:
        self.venv, self.folder, self.server = venv, folder, server
        self.port = free_port()
        self.environment = {
            "PATH": f"{venv / 'bin'}:/usr/local/bin:/usr/bin:/bin", "HOME": str(folder), "LANG": "C.UTF-8",
            "FIDES__DATABASE__SERVER": server.host, "FIDES__DATABASE__PORT": str(server.port),
            "FIDES__DATABASE__USER": server.user, "FIDES__DATABASE__PASSWORD": server.password or "unused",
            "FIDES__DATABASE__DB": "fides_app", "FIDES__DATABASE__LOAD_SAMPLES": "false",
            "FIDES__REDIS__HOST": "127.0.0.1", "FIDES__REDIS__PORT": str(redis_port),
            "FIDES__REDIS__PASSWORD": redis_password, "FIDES__SECURITY__ENV": "prod",
            "FIDES__SECURITY__APP_ENCRYPTION_KEY": secrets.token_hex(16),
            "FIDES__SECURITY__OAUTH_ROOT_CLIENT_ID": "fidesadmin",
            "FIDES__SECURITY__OAUTH_ROOT_CLIENT_SECRET": "fidesadminsecret",
            "FIDES__SECURITY__DRP_JWT_SECRET": secrets.token_hex(16),
            "FIDES__EXECUTION__REQUIRE_MANUAL_REQUEST_APPROVAL": "false",
            "FIDES__EXECUTION__SUBJECT_IDENTITY_VERIFICATION_REQUIRED": "false",
            "FIDES__EXECUTION__TASK_RETRY_COUNT": "0", "FIDES__CELERY__TASK_ALWAYS_EAGER": "false",
            "FIDES__USER__ANALYTICS_OPT_OUT": "true", "FIDES__LOGGING__LEVEL": "WARNING",
        }
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> Api:
        (self.folder / "log").mkdir(exist_ok=True)
        web = ["uvicorn", "fides.api.main:app", "--host", "127.0.0.1", "--port", str(self.port)]
        self.spawn("web", web)
        api, end = Api(self.port), time.monotonic() + START_SECONDS
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5) as answer:
                    if answer.status == 200:
                        break
            except OSError:
                pass
            if time.monotonic() > end or self.processes[0].poll() is not None:
                raise SystemExit(f"fides: the web server did not start; see {self.folder / 'log/web.log'}")
            time.sleep(1)
        self.spawn("worker", ["fides", "worker"])
        api.sign_in()
        return api

    def spawn(self, name: str, command: list[str]) -> None:
        log = (self.folder / f"log/{name}.log").open("wb")
        self.processes.append(
            subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=log, stderr=log, start_new_session=True,
                             executable=str(self.venv / "bin" / command[0]))
        )

    def memory_mib(self) -> dict[str, float]:
        """Peak resident memory of each process group, summed over its processes."""
        peaks: dict[str, float] = {}
        for name, process in zip(("web", "workers"), self.processes, strict=False):
            total = 0
            for status in Path("/proc").glob("[0-9]*/status"):
                try:
                    if os.getpgid(int(status.parent.name)) != process.pid:
                        continue
                    total += next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
                except (OSError, StopIteration):
                    continue
            peaks[name] = total / 1024
        return peaks

    def stop(self) -> None:
        for process in self.processes:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()


def set_up(api: Api, server: Server, venv: Path, database: str) -> None:
    yaml = subprocess.run(
        [venv / "bin/python", "-c", "import json,sys,yaml;print(json.dumps(yaml.safe_load(open(sys.argv[1]))))",
         str(package_data(venv) / "sample_resources/postgres_example_test_dataset.yml")],
        check=True, capture_output=True,
    )
    datasets = json.loads(yaml.stdout)["dataset"]
    for dataset in datasets:
        api.call("POST", "/dataset/upsert", [dataset])
    api.call("PATCH", "/connection", [{"key": "sample", "name": "sample", "connection_type": "postgres", "access": "write"}])
    api.call("PATCH", "/connection/sample/secret?verify=true", {
        "host": server.host, "port": server.port, "dbname": database, "username": server.user,
        "password": server.password or "unused", "ssh_required": False,
    })
    keys = [dataset["fides_key"] for dataset in datasets]
    api.call("PATCH", "/connection/sample/datasetconfig", [{"fides_key": key, "ctl_dataset_fides_key": key} for key in keys])
    api.call("PATCH", "/storage/config", [
        {"name": "files", "key": "files", "type": "local", "details": {"naming": "request_id"}, "format": "json"},
    ])
    api.call("PUT", "/storage/default", {"type": "local", "details": {"naming": "request_id"}, "format": "json"})


def request(api: Api, policy: str, email: str) -> float:
    """Seconds from the request to its end, as the person sees them."""
    begun = time.monotonic()
    answer = api.call("POST", "/privacy-request", [{"policy_key": policy, "identity": {"email": email}}])
    if not answer["succeeded"]:
        raise SystemExit(f"fides: the request was refused: {json.dumps(answer['failed'])[:500]}")
    identifier = answer["succeeded"][0]["id"]
    while time.monotonic() - begun < REQUEST_SECONDS:
        status = api.call("GET", f"/privacy-request?request_id={identifier}")["items"][0]["status"]
        if status == "complete":
            return time.monotonic() - begun
        if status in {"error", "denied", "canceled"}:
            raise SystemExit(f"fides: a {policy} request ended as {status}")
        time.sleep(0.2)
    raise SystemExit(f"fides: a {policy} request took more than {REQUEST_SECONDS} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--postgres", required=True, help="URL of a role that may create databases")
    parser.add_argument("--folder", type=Path, required=True, help="where Fides is installed and leaves its logs")
    parser.add_argument("--out", type=Path, required=True, help="where the figures go, as JSON")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    venv = install(folder)
    redis = shutil.which("redis-server")
    if redis is None:
        raise SystemExit("fides: needs redis-server on the PATH (Debian's package redis-server)")
    server, database = Server(arguments.postgres), "fides_sample"
    say("loading its sample database and the volume ...")
    server.create(venv, database)
    server.create(venv, "fides_app")
    scripts = [package_data(venv) / "postgres_sample.sql", HERE.parent / "fides/volume.sql"]
    server.run(venv, database, *(script.read_text(encoding="utf-8") for script in scripts))
    redis_port, redis_password = free_port(), secrets.token_hex(16)
    cache = subprocess.Popen(
        [redis, "--bind", "127.0.0.1", "--port", str(redis_port), "--requirepass", redis_password, "--save", "", "--dir", str(folder)],
        stdout=subprocess.DEVNULL,
    )
    fides = Fides(venv, folder, server, redis_port, redis_password)
    result: dict[str, object] = {"version": VERSION}
    try:
        say("starting ...")
        api = fides.start()
        set_up(api, server, venv, database)
        # The first request of a worker loads what the others find in memory.
        result["access_small_s"] = request(api, "default_access_policy", "customer-1@example.com")
        say(f"access, few rows: {result['access_small_s']:.1f} s")
        result["access_90k_s"] = request(api, "default_access_policy", PERSON)
        say(f"access, about 90,000 rows: {result['access_90k_s']:.1f} s")
        result["erasure_90k_s"] = request(api, "default_erasure_policy", PERSON)
        say(f"erasure, about 90,000 rows: {result['erasure_90k_s']:.1f} s")
        result["rss_mib"] = fides.memory_mib()
    finally:
        fides.stop()
        cache.terminate()
        cache.wait()
    arguments.out.write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main()
