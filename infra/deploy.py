#!/usr/bin/env python3
"""Deploys one policy to AWS: `make deploy STAGE=prod POLICY=policies/yallo`.

Builds the functions for arm64, merges infra/parameters/<stage>.json with what the policy needs, deploys the stack
habeas-<stage>-<policy> and publishes the policy into its bucket. Account and region are those of the AWS credentials
in the environment.
"""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "local"))

import build  # noqa: E402
import venvs  # noqa: E402
from common import ROOT, UNFIT, Trouble, call, lock, say, timed  # noqa: E402
from parameters import overrides, policy_parameters, stage_parameters  # noqa: E402

EXAMPLE = ".example"  # RFC 2606: nobody's domain


def main():
    parser = argparse.ArgumentParser(description="Deploy one policy to AWS.")
    parser.add_argument("--stage", required=True)
    parser.add_argument("--policy", required=True, help="the policy's folder")
    args = parser.parse_args()
    if not args.stage or args.stage == "local":
        raise Trouble("give the stage on AWS: make deploy STAGE=prod POLICY=policies/...", UNFIT)
    if not (ROOT / args.policy / "policy.yaml").exists():
        raise Trouble(f"no policy.yaml in '{args.policy}'. Give its folder: POLICY=policies/...", UNFIT)

    parameters = stage_parameters(args.stage)
    venvs.ensure("tools", "cross")
    python = venvs.program("tools", "python3")
    if Path(sys.prefix).resolve() != venvs.directory("tools").resolve():
        os.execv(python, [str(python), *sys.argv])
    import boto3  # comes with aws-sam-cli

    session = boto3.session.Session(region_name=os.environ.get("AWS_REGION"))
    region = session.region_name
    if not region:
        raise Trouble("no region. Set AWS_REGION.", UNFIT)
    account = session.client("sts").get_caller_identity()["Account"]
    env = dict(os.environ, SAM_CLI_TELEMETRY="0")
    # cargo finds `cargo lambda`, and that finds its linker, on PATH.
    env["PATH"] = f"{venvs.directory('cross') / 'bin'}{os.pathsep}{env.get('PATH', os.defpath)}"

    with timed("building the command line"):
        call(["cargo", "build", "--workspace", "--bins"], quiet=False)
    workspace = build.metadata()
    habeas = Path(workspace["target_directory"]) / "debug" / "habeas"
    parameters.update(policy_parameters(env, habeas, args.policy, account, region))
    left = sorted(key for key, value in parameters.items() if EXAMPLE in value)
    if left:
        raise Trouble(
            f"example values are left in {', '.join(left)}. "
            f"Put your own into infra/parameters/{args.stage}.json or {args.policy}/policy.yaml.",
            UNFIT,
        )
    with lock("build", wait_seconds=3600), timed(f"building the functions for {parameters['Architecture']}"):
        architecture = ["--arm64"] if parameters["Architecture"] == "arm64" else ["--x86-64"]
        packages = [part for package in build.functions(workspace).values() for part in ("-p", package)]
        call(
            ["cargo", "lambda", "build", "--release", *architecture, *packages, "--lambda-dir", ROOT / "target/lambda"],
            env=env,
            quiet=False,
        )

    stack = f"habeas-{args.stage}-{Path(args.policy).name}"
    cloudformation = session.client("cloudformation")
    publish = [habeas, "policy", "publish", "--policy", args.policy, "--bucket"]
    bucket = policy_bucket(cloudformation, stack)
    if bucket:  # an update: the policy must be there before a function looks for it
        call([*publish, bucket], env=env)
    with timed(f"deploying {stack} to account {account}, {region}"):
        call(
            [venvs.program("tools", "sam"), "deploy", "--template-file", "template.yaml", "--stack-name", stack,
             "--region", region, "--resolve-s3", "--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset",
             "--no-fail-on-empty-changeset", "--parameter-overrides", *overrides(parameters)],
            env=env,
            quiet=False,
        )  # fmt: skip
    if not bucket:
        call([*publish, policy_bucket(cloudformation, stack)], env=env)
    say(f"{stack} is deployed")


def policy_bucket(cloudformation, stack):
    try:
        described = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    except cloudformation.exceptions.ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    return next((o["OutputValue"] for o in described.get("Outputs", []) if o["OutputKey"] == "PolicyBucket"), None)


if __name__ == "__main__":
    try:
        main()
    except Trouble as trouble:
        say(f"error: {trouble}")
        sys.exit(trouble.code)
