"""Starts and stops the emulator. One run lives in .local/<name>/."""

import os
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request

import processes
import venvs
from common import ACCESS_KEY_ID, ACCOUNT, LOCAL, REGION, SECRET_ACCESS_KEY, Trouble, say, tail, timed
from processes import HOST

MARKER = "ministack"  # in its command line
READY_SECONDS = 90
STOP_SECONDS = 10


def home(name):
    return LOCAL / name


def log(name):
    return home(name) / "emulator.log"


def start(name, port):
    """Returns the endpoint, once the emulator is ready."""
    place = home(name)
    (place / "tmp").mkdir(parents=True, exist_ok=True)
    endpoint = f"http://{HOST}:{port}"
    # Functions inherit this environment, so it holds nothing of the caller's.
    env = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(place / "tmp"),
        "LANG": "C.UTF-8",
        "TMPDIR": str(place / "tmp"),
        "STATE_DIR": str(place / "tmp" / "state"),
        "BIND_HOST": HOST,
        "MINISTACK_HOST": HOST,
        "GATEWAY_PORT": str(port),
        "AWS_ENDPOINT_URL": endpoint,  # without it functions would call the real AWS
        "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "MINISTACK_REGION": REGION,
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "AUTH": "true",  # enforce IAM
        "CLOUDTRAIL_RECORDING": "1",
        "CLOUDTRAIL_MAX_EVENTS": "200000",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "LAMBDA_EXECUTOR": "local",
    }
    with timed(f"starting the emulator on {endpoint}"):
        with open(log(name), "wb") as out:
            process = subprocess.Popen(
                [str(venvs.program("stack", "ministack"))],
                env=env,
                cwd=place,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # functions it starts share its group, and go with it
            )
        (place / "pid").write_text(str(process.pid), encoding="utf-8")
        deadline = time.monotonic() + READY_SECONDS
        while not _ready(endpoint):
            if process.poll() is not None:
                raise Trouble(f"the emulator ended at once:\n{_end_of_log(name)}See {log(name)}.")
            if time.monotonic() > deadline:
                stop(name)
                raise Trouble(f"the emulator is not ready after {READY_SECONDS} s. See {log(name)}.")
            time.sleep(0.2)
    return endpoint


def _end_of_log(name):
    return tail(log(name).read_text(encoding="utf-8", errors="replace"), 15)


def _ready(endpoint):
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
            f"{endpoint}/_ministack/ready", timeout=2
        ) as answer:
            return answer.status == 200
    except (OSError, urllib.error.URLError):
        return False


def running(name):
    """The emulator's process id, if it runs."""
    try:
        pid = int((home(name) / "pid").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return pid if processes.runs(pid, MARKER) else None


def stop(name):
    """Stop the emulator with the functions it started, and drop what it wrote, save its log. Fine if there is none."""
    pid = running(name)
    if pid is not None:
        processes.end(pid, MARKER, [(signal.SIGTERM, STOP_SECONDS)])
        say(f"emulator '{name}' stopped")
    place = home(name)
    for leftover in ("pid", "endpoints.json"):
        (place / leftover).unlink(missing_ok=True)
    shutil.rmtree(place / "tmp", ignore_errors=True)
    return pid is not None
