"""Servers that outlive the run that started them: their ports, whether they run, how they end."""

import os
import signal
import socket
import subprocess
import time

from common import UNFIT, Trouble, say

HOST = "127.0.0.1"


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


def runs(pid, marker):
    """Whether this process runs and is ours. A number that went to another program since does not count."""
    return pid is not None and marker in _command(pid)


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


def end(pid, marker, asks):
    """Ask a process to end: each of `asks` is a signal and the seconds to wait for it. Then kill what is left of its group."""
    for what, seconds in asks:
        if not runs(pid, marker):
            break
        _signal(pid, what)
        deadline = time.monotonic() + seconds
        while runs(pid, marker) and time.monotonic() < deadline:
            _collect(pid)
            time.sleep(0.1)
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    _collect(pid)


def _signal(pid, what):
    try:
        os.kill(pid, what)
    except ProcessLookupError:
        pass


def _collect(pid):
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass  # started by an earlier run
