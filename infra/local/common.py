"""What the other modules share: places, progress, errors, running commands. Standard library only."""

import contextlib
import fcntl
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCAL = ROOT / ".local"
REGION = "us-east-1"
ACCOUNT = "000000000000"
# The emulator takes this pair as the account's root. It listens on loopback only and holds made-up people.
ACCESS_KEY_ID = "test"
SECRET_ACCESS_KEY = "test"

# Exit codes: 1 the work itself failed, 2 the machine or the call is not fit for it, 130 interrupted.
FAILED, UNFIT, INTERRUPTED = 1, 2, 130


class Trouble(Exception):
    """An error that says what to do."""

    def __init__(self, message, code=FAILED):
        super().__init__(message)
        self.code = code


def say(message):
    print(f"habeas: {message}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def timed(what):
    say(f"{what} ...")
    started = time.monotonic()
    yield
    say(f"{what}: done in {time.monotonic() - started:.1f} s")


def call(command, *, env=None, quiet=True, cwd=ROOT, timeout=None, user=None):
    """Run a command, as another user if `user` has subprocess's arguments for that. Quiet ones show their output only
    when they fail. Returns standard output if quiet."""
    command = [str(part) for part in command]
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if quiet else None,
            stderr=subprocess.PIPE if quiet else None,
            text=True,
            timeout=timeout,
            check=False,
            **(user or {}),
        )
    except FileNotFoundError:
        raise Trouble(f"{command[0]} is not there. Install it, or put it on PATH.", UNFIT) from None
    except subprocess.TimeoutExpired:
        raise Trouble(f"no end after {timeout} s: {shlex.join(command)}") from None
    if done.returncode != 0:
        if quiet:
            sys.stderr.write(tail(done.stdout + done.stderr, 60))
        raise Trouble(f"exit code {done.returncode}: {shlex.join(command)[:400]}")
    return done.stdout


def tail(text, lines):
    return "\n".join(text.splitlines()[-lines:]) + "\n"


def no_aws():
    """The caller's environment with every trace of a real AWS account taken out."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    env.update(
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
        AWS_EC2_METADATA_DISABLED="true",
    )
    return env


def aws_environment(endpoint):
    """The same, pointed at the emulator."""
    env = no_aws()
    env.update(
        AWS_ENDPOINT_URL=endpoint,
        AWS_ACCESS_KEY_ID=ACCESS_KEY_ID,
        AWS_SECRET_ACCESS_KEY=SECRET_ACCESS_KEY,
        AWS_REGION=REGION,
        AWS_DEFAULT_REGION=REGION,
        AWS_PAGER="",
        SAM_CLI_TELEMETRY="0",
        __SAM_CLI_APP_DIR=str(LOCAL / "sam"),
        NO_PROXY="127.0.0.1,localhost",
        no_proxy="127.0.0.1,localhost",
    )
    return env


@contextlib.contextmanager
def lock(name, wait_seconds):
    """Keep two runs from working on the same thing. The kernel drops the lock when its holder ends, however it ends."""
    LOCAL.mkdir(exist_ok=True)
    path = LOCAL / f"{name}.lock"
    with open(path, "a+", encoding="utf-8") as handle:
        deadline = time.monotonic() + wait_seconds
        told = False
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                handle.seek(0)
                holder = handle.read().strip() or "?"
                if time.monotonic() >= deadline:
                    raise Trouble(
                        f"process {holder} still works on '{name}'. Wait for it, or end it and try again.", UNFIT
                    ) from None
                if not told:
                    say(f"waiting for process {holder}, which works on '{name}'")
                    told = True
                time.sleep(0.5)
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        yield
