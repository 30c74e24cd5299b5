#!/usr/bin/env python3
"""The local stack: up, down, logs, demo, quick, test. `make` calls this.

Everything it makes lies in .local/ and target/. It needs Python 3, cargo and a loopback interface.
"""

import argparse
import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import emulator  # noqa: E402
import postgres  # noqa: E402
import processes  # noqa: E402
import venvs  # noqa: E402
from common import INTERRUPTED, LOCAL, UNFIT, Trouble, aws_environment, call, lock, no_aws, say, timed  # noqa: E402

DEFAULT_PORT = 4599
POLICIES = ("yallo", "yuncan")
DEFAULT_USERS = 40
DEFAULT_SEED = 1
DEFAULT_HEAVY_ROWS = 2000
LOCK_SECONDS = 1800
OVER_TLS = "over_tls"  # in the name of every test that speaks TLS to PostgreSQL


def arguments():
    parser = argparse.ArgumentParser(prog="stack.py", description="The local stack of Habeas.")
    commands = parser.add_subparsers(dest="command", required=True)
    environment = os.environ
    for name in ("tools", "up", "down", "logs", "demo", "quick", "test"):
        command = commands.add_parser(name)
        own = name if name in ("quick", "test") else "main"
        command.add_argument("--name", default=own, help="its folder under .local/")
        if name in ("up", "demo", "test"):
            command.add_argument("--port", default=environment.get("HABEAS_PORT", ""), help="fail if it is taken")
            command.add_argument("--users", default=environment.get("HABEAS_USERS") or str(DEFAULT_USERS))
            command.add_argument("--seed", default=environment.get("HABEAS_SEED") or str(DEFAULT_SEED))
            heavy = environment.get("HABEAS_HEAVY_ROWS") or str(DEFAULT_HEAVY_ROWS)
            command.add_argument("--heavy-rows", default=heavy, help="posts of a heavy user")
        if name == "logs":
            command.add_argument("--function", default="", help="only functions with this in their name, or postgres")
        if name == "quick":
            command.add_argument("--filter", default="", help="only tests with this in their name")
        if name == "demo":
            command.add_argument("--keep", action="store_true", help="leave the stack up")
    return parser.parse_args()


def in_stack_environment():
    """Go on under the emulator's Python, which has boto3."""
    venvs.ensure("stack", "tools")
    python = venvs.program("stack", "python3")
    if Path(sys.prefix).resolve() != venvs.directory("stack").resolve():
        sys.stdout.flush()
        os.execv(python, [str(python), *sys.argv])


def up(args):
    """Returns endpoints.json's path and the `habeas` program's."""
    import build
    import deploy

    for name, value in (("users", args.users), ("seed", args.seed), ("heavy-rows", args.heavy_rows), ("port", args.port or "1")):
        if not value.isdigit():
            raise Trouble(f"--{name} must be a whole number, not {value!r}.", UNFIT)
    habeas = build.build()
    if emulator.running(args.name):
        say(f"'{args.name}' was up, it starts anew")
    down(args)
    try:
        database = postgres.start(args.name)
        port = processes.choose_port(int(args.port or DEFAULT_PORT), fixed=bool(args.port))
        endpoint = emulator.start(args.name, port)
        sample = (args.users, args.seed, args.heavy_rows)
        endpoints = deploy.fill(args.name, endpoint, database, habeas, POLICIES, sample)
        place = deploy.write_endpoints(args.name, endpoints)
    except BaseException:
        down(args)
        raise
    say(f"up: {place.relative_to(LOCAL.parent)} says where everything is")
    return place, habeas


def down(args):
    stopped = [emulator.stop(args.name), postgres.stop(args.name)]
    if args.name == "main":
        (LOCAL / "endpoints.json").unlink(missing_ok=True)
    return any(stopped)


def environment_for(place):
    import json

    env = aws_environment(json.loads(place.read_text(encoding="utf-8"))["endpoint"])
    env["HABEAS_ENDPOINTS"] = str(place)
    return env


def demo(args):
    try:
        place, habeas = up(args)
        code = 0
        for policy in POLICIES:
            try:
                call([habeas, "demo", "--policy", f"policies/{policy}"], env=environment_for(place), quiet=False)
            except Trouble as trouble:
                say(f"the story of {policy} did not end well: {trouble}")
                code = trouble.code
        return code
    finally:
        if args.keep and emulator.running(args.name):
            say("the stack stays up. Stop it: make down")
        else:
            down(args)


def quick(args):
    """Every test that needs no stack, with a PostgreSQL of their own."""
    try:
        server = postgres.start(args.name)
        chosen = [args.filter] if args.filter else []
        if not server["ca_file"]:
            say(f"NOT tested: TLS to PostgreSQL. This one is built without; {postgres.CHOICE}=FOLDER names another.")
            chosen += ["--skip", OVER_TLS]
        with timed("tests in-process"):
            command = ["cargo", "test", "--workspace", *(["--", *chosen] if chosen else [])]
            call(command, env=no_aws() | postgres.test_environment(server), quiet=False)
    finally:
        postgres.stop(args.name)


def test(args):
    import lambda_check

    venvs.ensure("cross")
    args.filter = ""
    quick(args)
    try:
        place, habeas = up(args)
        with timed("tests against the stack, IAM enforced"):
            call(
                # All packages, so that no dependency is built again with other features.
                ["cargo", "test", "--workspace", "--test", "stack", "--", "--include-ignored", "--test-threads", "1"],
                env=environment_for(place),
                quiet=False,
            )
        lambda_check.check(place, Path(habeas).parent)
    finally:
        down(args)


def main():
    args = arguments()
    # `make` and CI end a run with SIGTERM: clean up then too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(INTERRUPTED))
    if args.command == "tools":
        venvs.ensure("tools")
        return 0
    if args.command == "down":
        with lock(args.name, wait_seconds=15):
            if not down(args):
                say(f"'{args.name}' was not up")
        return 0
    in_stack_environment()
    if args.command == "logs":
        import logs

        logs.show(args.name, args.function)
        return 0
    with lock(args.name, wait_seconds=LOCK_SECONDS):
        if args.command == "up":
            up(args)
            return 0
        return {"demo": demo, "quick": quick, "test": test}[args.command](args)


if __name__ == "__main__":
    try:
        sys.exit(main() or 0)
    except Trouble as trouble:
        say(f"error: {trouble}")
        sys.exit(trouble.code)
    except KeyboardInterrupt:
        say("interrupted")
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.exit(0)
