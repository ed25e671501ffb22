"""The team's stack before its first start, and after every upgrade: database, bucket, roles, the first admin.

    python bootstrap.py      in Airflow's image (the service airflow-init); safe to repeat

What it cannot do it says in one line, its last.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit

import boto3
import botocore.config
import botocore.exceptions
import psycopg2

if TYPE_CHECKING:
    from airflow.providers.fab.auth_manager.security_manager.override import FabAirflowSecurityManagerOverride

PATIENCE_S = 90
ADMIN = "admin"
REFUSED = {"403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"}


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def give_up(line: str) -> NoReturn:
    sys.stderr.write(f"airflow-init: {line}\n")
    sys.exit(2)


def patiently(attempt: Callable[[], str | None], what: str) -> None:
    """Try until it returns None; what it returns instead is why it has to wait."""
    deadline = time.monotonic() + PATIENCE_S
    while (reason := attempt()) is not None:
        if time.monotonic() > deadline:
            give_up(f"{what} does not answer within {PATIENCE_S} s: {reason}")
        time.sleep(1)


def database_url() -> str:
    """Airflow's, as psycopg2 has it."""
    return os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].replace("postgresql+psycopg2:", "postgresql:")


def reach_database() -> str | None:
    try:
        psycopg2.connect(database_url(), connect_timeout=5).close()
    except psycopg2.OperationalError as error:
        said = " ".join(str(error).rpartition("FATAL:")[2].split())
        if "password authentication failed" in said:
            give_up(
                "PostgreSQL refuses VISIONLOOP_POSTGRES_PASSWORD of .env. Its volume keeps the password that it was made with: "
                "put that one back into .env, or change it there (ALTER ROLE visionloop PASSWORD '…')"
            )
        if "does not exist" in said:
            give_up(f"PostgreSQL has no such database: {said}. Create it, or remove the volume if it holds nothing yet")
        return said
    return None


def migrate() -> None:
    done = subprocess.run(["airflow", "db", "migrate"], capture_output=True, text=True)
    if done.returncode != 0:
        sys.stderr.write(done.stdout + done.stderr)
        give_up("airflow db migrate failed, as above; restore the last backup (`make restore`) if it cannot be mended")


def make_bucket() -> str | None:
    """The store's bucket, if there is none. Another's bucket of that name, or a key that may not look, ends the start."""
    bucket, endpoint = urlsplit(os.environ["VISIONLOOP_STORE"]).netloc, os.environ.get("AWS_ENDPOINT_URL", "AWS")
    once = botocore.config.Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 1})
    client = boto3.client("s3", config=once)
    try:
        client.head_bucket(Bucket=bucket)
    except botocore.exceptions.ClientError as error:
        code = error.response["Error"]["Code"]
        if code in REFUSED:
            give_up(
                f"the S3 server at {endpoint} refuses AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of .env for bucket {bucket}: "
                "put back those that it was started with, or give that key access to the bucket"
            )
        if code not in ("404", "NoSuchBucket"):
            return f"{code} {error}"
        return _create(client, bucket, endpoint)
    except botocore.exceptions.BotoCoreError as error:
        return str(error)
    return None


def _create(client: boto3.client, bucket: str, endpoint: str) -> str | None:
    try:
        client.create_bucket(Bucket=bucket)
    except botocore.exceptions.ClientError as error:
        if error.response["Error"]["Code"] in REFUSED:
            give_up(f"there is no bucket {bucket} at {endpoint}, and the key of .env may not create it: create it there")
        return str(error)
    say(f"bucket {bucket} created at {endpoint}")
    return None


def make_roles_and_admin() -> None:
    """The roles of docs/roles.md, and a user `admin` with the password of .env."""
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
    from airflow.utils.providers_configuration_loader import providers_configuration_loaded

    from visionloop_airflow import roles

    @providers_configuration_loaded  # FAB's own settings have no defaults before
    def with_fab() -> None:
        with get_application_builder() as builder:
            roles.make(builder.sm)
            make_admin(builder.sm)

    with_fab()


def make_admin(manager: FabAirflowSecurityManagerOverride) -> None:
    password = os.environ["VISIONLOOP_PASSWORD"]
    if (user := manager.find_user(username=ADMIN)) is not None:
        manager.reset_password(user.id, password)  # .env has the last word
    elif not manager.add_user(ADMIN, "Visionloop", "Admin", "admin@visionloop.invalid", manager.find_role("Admin"), password):
        give_up("the user admin could not be made; Airflow's own words are above")


def main() -> None:
    patiently(reach_database, "PostgreSQL")
    patiently(make_bucket, "the S3 server")
    say("migrating Airflow's database")
    migrate()
    make_roles_and_admin()
    say("ready")


if __name__ == "__main__":
    main()
