"""Virtual environments under .local/, made once for each set of pins."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from common import LOCAL, UNFIT, Trouble, call, lock, timed

HERE = Path(__file__).resolve().parent
LEAST = (3, 10)  # what the emulator and SAM ask for
NEWEST = 14


def directory(name):
    return LOCAL / f"venv-{name}"


def program(name, command):
    return directory(name) / "bin" / command


def ensure(*names):
    for name in names:
        with lock(f"venv-{name}", wait_seconds=900):
            _ensure(name)


def _ensure(name):
    pins = HERE / f"requirements-{name}.txt"
    wanted = hashlib.sha256(pins.read_bytes()).hexdigest()
    target = directory(name)
    mark = target / "pins.sha256"  # written last: a half-made environment never counts as made
    if mark.exists() and mark.read_text(encoding="utf-8") == wanted and _works(program(name, "python3")):
        return
    with timed(f"installing {pins.name} into .local/{target.name}"):
        shutil.rmtree(target, ignore_errors=True)
        try:
            call([_python(), "-m", "venv", target], timeout=300)
        except Trouble as trouble:  # Debian splits ensurepip off into its own package
            raise Trouble(f"no virtual environment can be made. Install python3-venv. ({trouble})", UNFIT) from None
        call([program(name, "python3"), "-m", "pip", "install", "--quiet", "-r", pins], timeout=1800)
        mark.write_text(wanted, encoding="utf-8")


def _works(python):
    """Whether it still starts. An environment breaks when the Python under it is upgraded away."""
    try:
        return subprocess.run([str(python), "-c", ""], check=False, stdin=subprocess.DEVNULL).returncode == 0
    except OSError:
        return False


def _python():
    """This Python, or a newer one on PATH if this one is too old."""
    if sys.version_info >= LEAST:
        return sys.executable
    for minor in range(NEWEST, LEAST[1] - 1, -1):
        found = shutil.which(f"python3.{minor}")
        if found:
            return found
    raise Trouble(
        f"Python {LEAST[0]}.{LEAST[1]} or later is needed, this is {sys.version.split()[0]} and there is no other on PATH.",
        UNFIT,
    )
