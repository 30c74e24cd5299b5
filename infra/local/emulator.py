"""Starts and stops the emulator. One run lives in .local/<name>/."""

import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

import venvs
from common import ACCESS_KEY_ID, ACCOUNT, LOCAL, REGION, SECRET_ACCESS_KEY, UNFIT, Trouble, say, tail, timed

HOST = "127.0.0.1"
READY_SECONDS = 90
STOP_SECONDS = 10


def home(name):
    return LOCAL / name


def log(name):
    return home(name) / "emulator.log"


def choose_port(wanted, fixed):
    """The wanted port if it is free. Otherwise any free one, unless the caller insists."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
                return probe.getsockname()[1]
            except OSError:
                if fixed:
                    raise Trouble(f"port {wanted} is taken. Give another one: HABEAS_PORT=...", UNFIT) from None
                say(f"port {wanted} is taken, choosing another one")
    raise Trouble("no free port on 127.0.0.1", UNFIT)


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
    """The emulator's process id, if it runs. A number that went to another program since does not count."""
    try:
        pid = int((home(name) / "pid").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return pid if "ministack" in _command(pid) else None


def _command(pid):
    """The command line of a process, empty if it is gone. A dead one that nobody collected yet has none either."""
    if os.path.isdir("/proc/self"):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as handle:
                return handle.read().decode(errors="replace")
        except OSError:
            return ""
    shown = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return shown.stdout


def stop(name):
    """Stop the emulator with the functions it started, and drop what it wrote, save its log. Fine if there is none."""
    pid = running(name)
    if pid is not None:
        _signal(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while running(name) is not None and time.monotonic() < deadline:
            _reap(pid)
            time.sleep(0.1)
        try:
            os.killpg(pid, signal.SIGKILL)  # whatever of its group is left
        except ProcessLookupError:
            pass
        _reap(pid)
        say(f"emulator '{name}' stopped")
    place = home(name)
    for leftover in ("pid", "endpoints.json"):
        (place / leftover).unlink(missing_ok=True)
    shutil.rmtree(place / "tmp", ignore_errors=True)
    return pid is not None


def _signal(pid, what):
    try:
        os.kill(pid, what)
    except ProcessLookupError:
        pass


def _reap(pid):
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass  # started by an earlier run
