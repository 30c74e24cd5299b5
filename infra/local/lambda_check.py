#!/usr/bin/env python3
"""Runs functions by hand, as `cargo lambda` does it, against a stack that is up.

Without a function it checks that this works: submit-request answers 202 and the ledger has the request, and notify
names the message that it cannot read. `make test` does that last. With one (`make lambda F=notify
DATA=tests/events/poison.json`) it runs that function once and prints its answer.

`cargo lambda watch --only-lambda-apis` stands in for Lambda on a free loopback port. A function is its built program
with the variables of the deployed one. It has the emulator's root credentials: IAM is not tested here.
"""

import argparse
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import processes  # noqa: E402
import venvs  # noqa: E402
from common import INTERRUPTED, LOCAL, ROOT, UNFIT, Trouble, aws_environment, say, tail, timed  # noqa: E402

BOUND_SECONDS = 60
STOP_SECONDS = 5
EVENTS = ROOT / "tests" / "events"


class Bench:
    """Lambda's stand-in and the functions that were started at it. All of them end with the `with` block."""

    def __init__(self, place, policy):
        self.at = json.loads(place.read_text(encoding="utf-8"))
        if policy not in self.at["stacks"]:
            raise Trouble(f"no stack of '{policy}' is up. There are: {', '.join(self.at['stacks'])}.", UNFIT)
        self.stack = self.at["stacks"][policy]
        self.env = aws_environment(self.at["endpoint"])
        self.deadline = time.monotonic() + BOUND_SECONDS
        self.log = place.with_name("lambda.log")
        self.port = processes.choose_port(0, fixed=True)
        self.started = contextlib.ExitStack()

    def __enter__(self):
        with self.started:
            self.out = self.started.enter_context(open(self.log, "wb"))
            address = ["--invoke-address", processes.HOST, "--invoke-port", str(self.port)]
            self.api = self._start([_cargo_lambda(), "lambda", "watch", "--only-lambda-apis", *address], self.env)
            while not self._listens():
                self._go_on(self.api)
            self.started = self.started.pop_all()
        return self

    def __exit__(self, *_):
        self.started.close()

    def client(self, service):
        import boto3  # comes with the emulator
        from botocore.config import Config

        return boto3.client(
            service,
            endpoint_url=self.at["endpoint"],
            region_name=self.at["region"],
            aws_access_key_id=self.at["access_key_id"],
            aws_secret_access_key=self.at["secret_access_key"],
            config=Config(connect_timeout=5, read_timeout=5, retries={"max_attempts": 0}),
        )

    def invoke(self, programs, function, data):
        """Starts a function, calls it once with an event, stops it. Returns its answer."""
        program = Path(programs) / function
        output = function.title().replace("-", "") + "Function"
        if output not in self.stack or not program.exists():
            known = ", ".join(sorted(place.name for place in (ROOT / "functions").iterdir()))
            raise Trouble(f"'{function}' is no function of the stack, or is not built. There are: {known}.", UNFIT)
        deployed = self.client("lambda").get_function_configuration(FunctionName=self.stack[output])
        env = self.env | deployed["Environment"]["Variables"]
        env |= {
            "AWS_ENDPOINT_URL": self.at["endpoint"],
            # The path names the function; without it `cargo lambda invoke NAME` would wait for a program for ever.
            "AWS_LAMBDA_RUNTIME_API": f"http://{processes.HOST}:{self.port}/.rt/{function}",
            "AWS_LAMBDA_FUNCTION_NAME": function,
            "AWS_LAMBDA_FUNCTION_VERSION": "1",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(deployed["MemorySize"]),
        }
        address = ["--invoke-address", processes.HOST, "--invoke-port", str(self.port)]
        call = [_cargo_lambda(), "lambda", "invoke", function, *address, "--data-file", str(data)]
        with contextlib.ExitStack() as started:
            printed = started.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8"))
            running = self._start([program], env, started)
            invoking = self._start(call, self.env, started, printed)
            while invoking.poll() is None:
                self._go_on(self.api, running)
            printed.seek(0)
            answer = printed.read()
        if invoking.returncode != 0:
            raise Trouble(f"{function} gave no answer.\n{answer}{self._end_of_log()}")
        try:
            return json.loads(answer)
        except ValueError:
            raise Trouble(f"the answer of {function} is not JSON: {answer[:400]}") from None

    def _start(self, command, env, stack=None, stdout=None):
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=ROOT,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=stdout or self.out,
            stderr=self.out,
        )
        (stack or self.started).callback(_stop, process)
        return process

    def _go_on(self, *needed):
        """Waits a little. An error if one of these ended, or if time is up."""
        for process in needed:
            if process.poll() is not None:
                name = Path(process.args[0]).name
                raise Trouble(f"{name} ended, with exit code {process.returncode}.\n{self._end_of_log()}")
        if time.monotonic() > self.deadline:
            raise Trouble(f"no answer after {BOUND_SECONDS} s.\n{self._end_of_log()}")
        time.sleep(0.1)

    def _listens(self):
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex((processes.HOST, self.port)) == 0

    def _end_of_log(self):
        return tail(self.log.read_text(encoding="utf-8", errors="replace"), 15) + f"See {self.log}."


def _cargo_lambda():
    return venvs.program("cross", "cargo-lambda")


def _stop(process):
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def check(place, programs, policy="yallo"):
    """Raises Trouble if one of the two functions does not answer as it should."""
    with timed("functions run by `cargo lambda`"), Bench(place, policy) as bench:
        answer = bench.invoke(programs, "submit-request", EVENTS / "submit-request.json")
        if answer.get("statusCode") != 202:
            raise Trouble(f"submit-request should answer 202. It answered: {json.dumps(answer)[:800]}")
        key = f"REQUEST#{json.loads(answer['body'])['request_id']}"
        item = bench.client("dynamodb").get_item(
            TableName=bench.stack["LedgerTable"],
            Key={"pk": {"S": key}, "sk": {"S": "REQUEST"}},
            ConsistentRead=True,
        )
        if "Item" not in item:
            raise Trouble(f"submit-request answered 202 and {key} is not in the ledger.")
        poison = EVENTS / "poison.json"
        wanted = [record["messageId"] for record in json.loads(poison.read_text(encoding="utf-8"))["Records"]]
        answer = bench.invoke(programs, "notify", poison)
        named = [failure.get("itemIdentifier") for failure in answer.get("batchItemFailures", [])]
        if named != wanted:
            raise Trouble(f"notify should name {wanted} as not handled. It answered: {json.dumps(answer)[:800]}")


def main():
    parser = argparse.ArgumentParser(description="Run functions with cargo lambda against a stack that is up.")
    parser.add_argument("--name", default="main", help="the stack's folder under .local/")
    parser.add_argument("--policy", default="", help="yallo (the default), yuncan, or the folder of one of them")
    parser.add_argument("--function", default="", help="run this one and print its answer; without it, check")
    parser.add_argument("--data", default="", help="a file with its event")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(INTERRUPTED))
    if bool(args.function) != bool(args.data):
        raise Trouble("give both: make lambda F=submit-request DATA=tests/events/submit-request.json", UNFIT)
    if args.data and not Path(args.data).is_file():
        raise Trouble(f"there is no file '{args.data}'.", UNFIT)
    place = LOCAL / args.name / "endpoints.json"
    if not place.exists():
        raise Trouble("no stack is up. Start one: make up", UNFIT)
    venvs.ensure("stack", "cross")
    python = venvs.program("stack", "python3")
    if Path(sys.prefix).resolve() != venvs.directory("stack").resolve():
        os.execv(python, [str(python), *sys.argv])
    import build

    programs = Path(build.build()).parent
    policy = Path(args.policy).name or "yallo"
    if not args.function:
        check(place, programs, policy)
        say("submit-request and notify answer as they should")
        return
    with Bench(place, policy) as bench:
        try:
            answer = bench.invoke(programs, args.function, Path(args.data).resolve())
            print(json.dumps(answer, indent=2, ensure_ascii=False))
        finally:
            sys.stderr.write(bench.log.read_text(encoding="utf-8", errors="replace"))


if __name__ == "__main__":
    try:
        main()
    except Trouble as trouble:
        say(f"error: {trouble}")
        sys.exit(trouble.code)
    except KeyboardInterrupt:
        say("interrupted")
        sys.exit(INTERRUPTED)
