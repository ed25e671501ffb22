import base64
import os

import pytest

from cli.home import StackError
from cli.team import dotenv


def test_it_is_made_once_for_its_owner_alone_and_stays_as_it_is(tmp_path):
    file = tmp_path / ".env"
    settings = dotenv.complete(file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert settings == dotenv.read(file)
    written = file.read_bytes()
    assert dotenv.complete(file) == settings
    assert file.read_bytes() == written


def test_two_stacks_share_no_secret_and_the_keys_are_of_their_kind(tmp_path):
    one, two = dotenv.complete(tmp_path / "one"), dotenv.complete(tmp_path / "two")
    secrets = [name for name in one if "PASSWORD" in name or "SECRET" in name or name.endswith("FERNET_KEY")]
    assert len(secrets) == 6
    assert not [name for name in secrets if one[name] == two[name]]
    assert len(base64.urlsafe_b64decode(one["AIRFLOW__CORE__FERNET_KEY"])) == 32
    assert len(one["AIRFLOW__API_AUTH__JWT_SECRET"]) >= 64
    # neither compose nor a URL takes any of them apart
    assert not [name for name in secrets if set(one[name]) & set("$#'\" :/@%\\")]


def test_what_is_missing_is_added_and_what_is_there_is_kept(tmp_path):
    file = tmp_path / ".env"
    file.write_text("# ours\nVISIONLOOP_PASSWORD=abc=d\n\nCOMPOSE_PROFILES=")
    settings = dotenv.complete(file)
    assert (settings["VISIONLOOP_PASSWORD"], settings["COMPOSE_PROFILES"]) == ("abc=d", "")
    assert file.read_text().startswith("# ours\nVISIONLOOP_PASSWORD=abc=d\n\nCOMPOSE_PROFILES=\n")
    assert settings.keys() == dotenv.DEFAULTS.keys()


def test_only_the_named_lines_change(tmp_path):
    file = tmp_path / ".env"
    file.write_text("# a\nA=1\nB=2\n")
    dotenv.put(file, {"B": "3", "C": "4"})
    assert file.read_text() == "# a\nA=1\nB=3\nC=4\n"
    assert file.stat().st_mode & 0o777 == 0o600


def test_before_the_first_start_the_remedy_is_said(tmp_path):
    with pytest.raises(StackError, match="does not exist: run `make up`"):
        dotenv.read(tmp_path / ".env")


def test_git_ignores_it():
    assert [os.system(f"git -C {dotenv.ROOT} check-ignore -q {name}") for name in (".env", ".env.tmp")] == [0, 0]
