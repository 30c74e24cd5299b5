"""Parameters of a stack: those of its stage, then those that its policy asks for."""

import json

from common import ROOT, UNFIT, Trouble, call


def stage_parameters(stage):
    path = ROOT / "infra" / "parameters" / f"{stage}.json"
    try:
        parameters = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise Trouble(f"infra/parameters/{stage}.json is not there. Copy prod.json and fill it in.", UNFIT) from None
    except ValueError as error:
        raise Trouble(f"infra/parameters/{stage}.json is no JSON: {error}", UNFIT) from None
    return {key: str(value) for key, value in parameters.items()}


def policy_parameters(env, habeas, policy, account, region):
    printed = call(
        [habeas, "policy", "parameters", "--policy", policy, "--account", account, "--region", region], env=env
    )
    try:
        return {key: str(value) for key, value in json.loads(printed).items()}
    except (ValueError, AttributeError):
        raise Trouble(f"`habeas policy parameters` of {policy} printed no JSON object: {printed[:200]}") from None


def overrides(parameters):
    """Parameters as `sam deploy` reads them: quoted, since values hold spaces and commas or nothing at all."""
    quoted = []
    for key, value in sorted(parameters.items()):
        escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
        quoted.append(f'{key}="{escaped}"')
    return quoted
