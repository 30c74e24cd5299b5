"""Prints what the functions logged, oldest first."""

import datetime
import json

import deploy
import emulator
from common import UNFIT, Trouble


def show(name, wanted):
    """`wanted` narrows it to functions whose name has that in it."""
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
    for timestamp, group, message in sorted(lines, key=lambda line: line[0]):
        when = datetime.datetime.fromtimestamp(timestamp / 1000, datetime.timezone.utc)
        print(f"{when:%H:%M:%S}.{timestamp % 1000:03d} {group:34} {message.rstrip()}")
