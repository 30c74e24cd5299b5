"""Makes the databases whose secrets a policy names: each with the role of the app, which owns it, and one for Habeas."""

import json
import re
import secrets
from pathlib import Path

# Comes with the emulator.
import psycopg2
from psycopg2 import sql

from common import timed

OWNER = "-owner"  # `habeas sample` finds the app's secret by this


def create(manager, server, arns):
    """`manager` is a client of Secrets Manager, `arns` what `habeas policy parameters` prints as DataSecretArns."""
    names = [arn.partition(":secret:")[2].removesuffix("-??????") for arn in arns.split(",") if arn]
    if not names:
        return
    with timed(f"databases of {', '.join(names)}"):
        password = Path(server["password_file"]).read_text(encoding="utf-8")
        connection = psycopg2.connect(
            host=server["host"], port=server["port"], user=server["username"], password=password, dbname="postgres"
        )
        connection.autocommit = True  # a database cannot be made inside a transaction
        try:
            with connection.cursor() as cursor:
                for name in names:
                    _create(cursor, manager, server, name)
        finally:
            connection.close()


def _create(cursor, manager, server, name):
    database = re.sub(r"\W", "_", name)
    if server["ca_file"]:
        tls = {"sslmode": "verify-full", "sslrootcert": Path(server["ca_file"]).read_text(encoding="utf-8")}
    else:
        tls = {"sslmode": "disable"}
    for secret, role in ((name + OWNER, database + "_owner"), (name, database + "_habeas")):
        password = secrets.token_urlsafe(24)
        made = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), sql.Literal(password))
        cursor.execute(made)
        told = {
            "engine": "postgres", "host": server["host"], "port": server["port"], "dbname": database,
            "username": role, "password": password, **tls,
        }  # fmt: skip
        manager.create_secret(Name=secret, SecretString=json.dumps(told))
    made = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0")
    cursor.execute(made.format(sql.Identifier(database), sql.Identifier(database + "_owner")))
