#!/usr/bin/env python3
"""Writes Parquet files with events of two million people, a few of them of user-00004242, to erase them from.

Usage: parquet_objects.py FOLDER [FILES]
Each file has 1,340,000 rows in five row groups and about 128 MiB (snappy). In each the person has three rows in two groups.
"""

import sys
from pathlib import Path

import numpy
import pyarrow
import pyarrow.parquet

ROWS, GROUP, PERSON = 1_340_000, 268_000, 4242


def table(file: int, random: numpy.random.Generator) -> pyarrow.Table:
    users = random.integers(0, 2_000_000, ROWS)
    users[users == PERSON] = PERSON + 1
    for group in (file % 5, (file + 2) % 5):
        users[group * GROUP + random.choice(GROUP, 3, replace=False)] = PERSON
    kinds = pyarrow.array(["view", "click", "buy", "login", "logout", "search", "share"])
    agents = pyarrow.array([f"Mozilla/5.0 (X11; Linux x86_64) Agent/{number}" for number in range(300)])
    return pyarrow.table(
        {
            "event_id": pyarrow.array(numpy.char.mod("%016x", random.integers(0, 2**62, ROWS))),
            "user_id": pyarrow.array(numpy.char.add("user-", numpy.char.zfill(users.astype(str), 8))),
            "at": pyarrow.array(numpy.sort(random.integers(17 * 10**14, 171 * 10**13, ROWS)), pyarrow.timestamp("us", "UTC")),
            "kind": kinds.take(pyarrow.array(random.integers(0, 7, ROWS))),
            "agent": agents.take(pyarrow.array(random.integers(0, 300, ROWS))),
            "ip": pyarrow.array(numpy.char.mod("10.%d", random.integers(0, 2**24, ROWS))),
            "amount": pyarrow.array(random.random(ROWS) * 1000),
            "items": pyarrow.array(random.integers(0, 100_000, ROWS)),
            "lat": pyarrow.array(random.random(ROWS)),
            "lon": pyarrow.array(random.random(ROWS)),
            "session": pyarrow.array(numpy.char.mod("%016x", random.integers(0, 2**62, ROWS))),
            "page": pyarrow.array(numpy.char.add("/articles/", random.integers(0, 10**9, ROWS).astype(str))),
        }
    ).replace_schema_metadata({b"team": b"events"})


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    random = numpy.random.default_rng(7)
    for file in range(int(sys.argv[2]) if len(sys.argv) > 2 else 8):
        unfinished = folder / f"{file}.unfinished"
        pyarrow.parquet.write_table(table(file, random), unfinished, row_group_size=GROUP, compression="snappy")
        unfinished.rename(folder / f"{file}.parquet")


if __name__ == "__main__":
    main()
