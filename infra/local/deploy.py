"""Fills a running emulator: mail identity, sign-in, databases, sample data, and one stack a policy, all as on AWS."""

import concurrent.futures
import json
import platform

import boto3

import databases
import emulator
import venvs
from common import ACCESS_KEY_ID, ACCOUNT, LOCAL, REGION, SECRET_ACCESS_KEY, Trouble, aws_environment, call, timed
from package import package
from parameters import overrides, policy_parameters, stage_parameters

DEPLOY_BUCKET = "habeas-deploy"
OPERATORS = "habeas-operators"  # as infra/parameters/local.json says
SUBJECT_CLAIM = "cognito:username"  # a user pool makes up `sub` itself; the app's user id is the user's name


def clients(endpoint):
    def client(service):
        # A session each: boto3 makes clients from one session in one thread only.
        return boto3.session.Session(
            aws_access_key_id=ACCESS_KEY_ID, aws_secret_access_key=SECRET_ACCESS_KEY, region_name=REGION
        ).client(service, endpoint_url=endpoint)

    return client


def fill(name, endpoint, database, habeas, policies, sample):
    """Returns what endpoints.json holds."""
    client = clients(endpoint)
    env = aws_environment(endpoint)
    with timed("sign-in and deployment bucket"):
        oidc = create_sign_in(client, endpoint)
        client("s3").create_bucket(Bucket=DEPLOY_BUCKET)
    asked = {policy: policy_parameters(env, habeas, f"policies/{policy}", ACCOUNT, REGION) for policy in policies}
    for parameters in asked.values():
        databases.create(client("secretsmanager"), database, parameters["DataSecretArns"])
    with concurrent.futures.ThreadPoolExecutor(len(policies)) as pool:
        list(pool.map(lambda policy: load_sample(env, habeas, policy, sample), policies))
    packaged = emulator.home(name) / "tmp" / "packaged.yaml"
    with timed("packaging the functions"):
        package(client("s3"), DEPLOY_BUCKET, packaged)
    stacks = {}
    with concurrent.futures.ThreadPoolExecutor(len(policies)) as pool:
        waiting = {
            policy: pool.submit(deploy_policy, client, env, habeas, packaged, policy, parameters, oidc)
            for policy, parameters in asked.items()
        }
        for policy, result in waiting.items():
            outputs = result.result()
            # API Gateway's own address needs a name server that knows it: the emulator's does not.
            outputs["ApiUrl"] = f"{endpoint}/_aws/execute-api/{outputs['ApiId']}/$default"
            stacks[policy] = outputs
    return {
        "endpoint": endpoint,
        "region": REGION,
        "account": ACCOUNT,
        "access_key_id": ACCESS_KEY_ID,
        "secret_access_key": SECRET_ACCESS_KEY,
        "oidc": oidc,
        "sample": dict(zip(("users", "seed", "heavy_rows"), map(int, sample))),
        "emulator": {
            "pid": emulator.running(name),
            "log": str(emulator.log(name)),
            "emails_url": f"{endpoint}/_ministack/ses/messages",
            "text_messages_url": f"{endpoint}/_ministack/sns/sms-messages",
        },
        "postgres": database,
        "stacks": stacks,
    }


def load_sample(env, habeas, policy, sample):
    users, seed, heavy_rows = sample
    with timed(f"sample data of {policy}: {users} users, seed {seed}"):
        call(
            [habeas, "sample", "load", "--policy", f"policies/{policy}", "--users", users, "--seed", seed,
             "--heavy-rows", heavy_rows],
            env=env,
            timeout=900,
        )


def create_sign_in(client, endpoint):
    """A user pool in the role of the app's own sign-in. Its users' names are the app's user ids."""
    cognito = client("cognito-idp")
    pool = cognito.create_user_pool(
        PoolName="app",
        Policies={
            "PasswordPolicy": {
                "MinimumLength": 12,
                "RequireUppercase": False,
                "RequireLowercase": False,
                "RequireNumbers": False,
                "RequireSymbols": False,
            }
        },
    )["UserPool"]["Id"]
    cognito.create_group(UserPoolId=pool, GroupName=OPERATORS)
    app = cognito.create_user_pool_client(
        UserPoolId=pool, ClientName="app", ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
    )["UserPoolClient"]["ClientId"]
    return {
        "issuer": f"https://cognito-idp.{REGION}.amazonaws.com/{pool}",
        "audience": app,
        "jwks_url": f"{endpoint}/{pool}/.well-known/jwks.json",
        "subject_claim": SUBJECT_CLAIM,
        "user_pool_id": pool,
        "client_id": app,
        "operators": OPERATORS,
    }


def deploy_policy(client, env, habeas, packaged, policy, asked, oidc):
    parameters = stage_parameters("local")
    parameters.update(
        Architecture="arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64",
        OidcIssuer=oidc["issuer"],
        OidcAudience=oidc["audience"],
        OidcJwksUrl=oidc["jwks_url"],
        OidcSubjectClaim=oidc["subject_claim"],
    )
    parameters.update(asked)
    verify_sender(client, parameters["EmailIdentityArn"])
    stack = f"habeas-{policy}"
    with timed(f"deploying {stack}"):
        call(
            [venvs.program("tools", "sam"), "deploy", "--template-file", packaged, "--stack-name", stack,
             "--region", REGION, "--s3-bucket", DEPLOY_BUCKET, "--capabilities", "CAPABILITY_IAM",
             "--no-confirm-changeset", "--no-fail-on-empty-changeset", "--no-progressbar", "--parameter-overrides", *overrides(parameters)],
            env=env,
            timeout=300,
        )  # fmt: skip
    described = client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}
    outputs["StackName"] = stack
    outputs["PolicyDigest"] = parameters["PolicyDigest"]
    call([habeas, "policy", "publish", "--policy", f"policies/{policy}", "--bucket", outputs["PolicyBucket"]], env=env)
    return outputs


def verify_sender(client, identity_arn):
    identity = identity_arn.partition(":identity/")[2]
    if not identity:
        raise Trouble(f"EmailIdentityArn is no SES identity: {identity_arn}")
    mail = client("sesv2")
    try:
        mail.create_email_identity(EmailIdentity=identity)
    except mail.exceptions.AlreadyExistsException:
        pass  # both policies may send from the same domain


def write_endpoints(name, endpoints):
    place = emulator.home(name) / "endpoints.json"
    place.write_text(json.dumps(endpoints, indent=2) + "\n", encoding="utf-8")
    if name == "main":
        (LOCAL / "endpoints.json").write_text(json.dumps(endpoints, indent=2) + "\n", encoding="utf-8")
    return place
