"""Builds the functions and the command line, and puts each function where template.yaml looks for it."""

import json
import os
import shutil

from common import ROOT, Trouble, call, lock, timed


def metadata():
    return json.loads(call(["cargo", "metadata", "--no-deps", "--format-version", "1"]))


def functions(workspace):
    """Function name -> its package. A function is a crate in functions/<name>/ whose one binary is called <name>."""
    found = {}
    for package in workspace["packages"]:
        parts = os.path.relpath(package["manifest_path"], ROOT).split(os.sep)
        if parts[0] != "functions":
            continue
        binaries = [target["name"] for target in package["targets"] if "bin" in target["kind"]]
        if binaries != [parts[1]]:
            raise Trouble(f"functions/{parts[1]} must have one binary, {parts[1]}. It has: {binaries or 'none'}.")
        found[parts[1]] = package["name"]
    if not found:
        raise Trouble("no crate under functions/ is a member of the workspace.")
    return found


def build():
    """Returns the path of the `habeas` program. Debug profile: the local stack shows that things work, not how fast."""
    workspace = metadata()
    names = functions(workspace)
    with lock("build", wait_seconds=3600):
        with timed(f"building {len(names)} functions and the command line"):
            # The whole workspace, as `cargo test --workspace` does: a narrower choice of packages can choose other
            # features and so build every dependency twice.
            call(["cargo", "build", "--workspace", "--bins"], quiet=False)
        out = os.path.join(workspace["target_directory"], "debug")
        strip = shutil.which("strip")
        for name in names:
            place = ROOT / "target" / "lambda" / name / "bootstrap"
            source = os.path.join(out, name)
            if place.exists() and place.stat().st_mtime_ns >= os.stat(source).st_mtime_ns:
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            fresh = place.with_name(".bootstrap")
            # What is dropped is symbol tables: the upload shrinks, the code stays.
            if strip:
                call([strip, "-o", fresh, source])
            else:
                shutil.copyfile(source, fresh)
            fresh.chmod(0o755)
            fresh.rename(place)
    program = os.path.join(out, "habeas")
    if not os.path.exists(program):
        raise Trouble("the workspace builds no program called habeas.")
    return program
