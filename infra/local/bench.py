#!/usr/bin/env python3
"""Builds the benchmark, starts what it measures against, runs it, and leaves .local/bench.json. `make bench` calls this.

With --peers the peers are installed and timed first, in the same run and on the same PostgreSQL server.
"""

import argparse
import json
import os
import shutil
import sys
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import postgres  # noqa: E402
import venvs  # noqa: E402
from common import LOCAL, ROOT, Trouble, call, lock, no_aws, say, timed  # noqa: E402

NAME = "bench"
FOLDER = LOCAL / NAME
FIDES = "2.78.2"
SAMPLE = "fides/data/sample_project/"
PEER_SECONDS = 3600
PARQUET_FILES = 8
MEMORY = "/dev/shm"
MEMORY_BYTES = 8 << 30
RUN_SECONDS = 3 * 3600


def sample():
    """Fides' sample schema, rows and dataset, out of its published package; none of it is kept in this repository."""
    folder = FOLDER / f"fides-{FIDES}"
    if not (folder / SAMPLE / "postgres_sample.sql").exists():
        with timed(f"fetching the sample project of ethyca-fides {FIDES}"):
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, f"ethyca-fides=={FIDES}"]
            call(pip, timeout=900)
            wheel = next(folder.glob("ethyca_fides-*.whl"))
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(folder, [name for name in archive.namelist() if name.startswith(SAMPLE)])
            wheel.unlink()
    return folder / SAMPLE


def peers(url):
    """What Fides takes for the same: a JSON file."""
    out = FOLDER / "fides.json"
    with timed("Fides, for comparison"):
        command = [sys.executable, ROOT / "bench/peers/fides.py", "--postgres", url, "--folder", FOLDER / "fides", "--out", out]
        call(command, quiet=False, timeout=PEER_SECONDS)
    return out


def parquet():
    """About a gigabyte of Parquet files, the same in every run."""
    venvs.ensure("parquet")
    folder = FOLDER / "parquet"
    if len(list(folder.glob("*.parquet"))) < PARQUET_FILES:
        with timed(f"writing {PARQUET_FILES} Parquet files"):
            python = venvs.program("parquet", "python3")
            call([python, ROOT / "bench/peers/parquet_objects.py", folder, str(PARQUET_FILES)], timeout=1800)
    return folder


def in_memory():
    """Where the S3 that stands in keeps its files: in memory where there is room, since the real one has disks of its own."""
    try:
        is_room = shutil.disk_usage(MEMORY).free >= MEMORY_BYTES
    except OSError:
        is_room = False
    return {"TMPDIR": MEMORY} if is_room else {}


def build():
    with timed("building the benchmark, optimised"):
        call(["cargo", "build", "--profile", "measure", "--package", "habeas-bench"], quiet=False)
    target = json.loads(call(["cargo", "metadata", "--format-version", "1", "--no-deps"]))["target_directory"]
    return Path(target) / "measure/habeas-bench"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", action="store_true", help="install and time the peers as well")
    parser.add_argument("--large-rows", default=os.environ.get("HABEAS_BENCH_ROWS") or "1000000", help="rows of the large person")
    parser.add_argument("--no-parquet", action="store_true", help="leave out the gigabyte of Parquet")
    parser.add_argument("--table-rows", default=os.environ.get("HABEAS_BENCH_TABLE_ROWS") or "100000", help="items of a table")
    parser.add_argument("--line-rows", default=os.environ.get("HABEAS_BENCH_LINE_ROWS") or "1000000", help="lines of JSON Lines")
    arguments = parser.parse_args()
    venvs.ensure("stack")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with lock(NAME, wait_seconds=60):
        program, place, files = build(), sample(), None if arguments.no_parquet else parquet()
        try:
            url = postgres.test_environment(postgres.start(NAME))["HABEAS_TEST_POSTGRES"]
            command = [program, "run", "--sample", place, "--out", LOCAL / "bench.json", "--large-rows", arguments.large_rows]
            command += ["--table-rows", arguments.table_rows, "--line-rows", arguments.line_rows]
            if files:
                command += ["--parquet", files]
            if arguments.peers:
                command += ["--peer", peers(url)]
            if arguments.peers and files:
                command += ["--parquet-peer", venvs.program("parquet", "python3")]
            environment = no_aws() | {"HABEAS_BENCH_POSTGRES": url} | in_memory()
            call(command, env=environment, quiet=False, timeout=RUN_SECONDS)
        finally:
            postgres.stop(NAME)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Trouble as trouble:
        say(str(trouble))
        sys.exit(trouble.code)
