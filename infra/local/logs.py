"""Prints what the functions and PostgreSQL logged, oldest first."""

import datetime
import json
import re
from pathlib import Path

import deploy
import emulator
from common import UNFIT, Trouble

POSTGRES = "postgres"
POSTGRES_LINE = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}) UTC (.*)")


def show(name, wanted):
    """`wanted` narrows it to functions whose name has that in it; `postgres` is one of them here."""
    try:
        endpoints = json.loads((emulator.home(name) / "endpoints.json").read_text(encoding="utf-8"))
    except OSError:
        raise Trouble("no local stack is up. Start one: make up", UNFIT) from None
    cloudwatch = deploy.clients(endpoints["endpoint"])("logs")
    lines = []
    for outputs in endpoints["stacks"].values():
        groups = [group for key, group in outputs.items() if key.endswith("LogGroup") and wanted in group]
        for group in groups:
            for page in cloudwatch.get_paginator("filter_log_events").paginate(logGroupName=group):
                lines += [(event["timestamp"], group.rsplit("/", 1)[-1], event["message"]) for event in page["events"]]
    if wanted in POSTGRES:
        lines += of_postgres(Path(endpoints["postgres"]["log"]))
    for timestamp, group, message in sorted(lines, key=lambda line: line[0]):
        when = datetime.datetime.fromtimestamp(timestamp / 1000, datetime.timezone.utc)
        print(f"{when:%H:%M:%S}.{timestamp % 1000:03d} {group:34} {message.rstrip()}")


def of_postgres(log):
    """A line that does not begin with its time belongs to the one before."""
    timestamp, lines = 0, []
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        begun = POSTGRES_LINE.match(line)
        if begun:
            when = datetime.datetime.strptime(begun[1] + " +0000", "%Y-%m-%d %H:%M:%S.%f %z")
            timestamp = int(when.timestamp() * 1000)
        lines.append((timestamp, POSTGRES, begun[2] if begun else line))
    return lines
