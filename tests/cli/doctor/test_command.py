import json

import pytest
from typer.testing import CliRunner

from cli.doctor import command
from cli.doctor.finding import fail, ok, warn
from cli.home import StackError
from cli.place import chosen


def test_a_check_that_breaks_does_not_hide_the_others(place):
    def broken(place):
        raise KeyError("x")

    found = command.examine(place(), [lambda _: [ok("a", "well")], broken, lambda _: [warn("c", "hm", "do")]])
    assert [(one.check.rpartition(".")[2], one.state) for one in found] == [("a", "ok"), ("broken", "fail"), ("c", "warn")]


@pytest.mark.parametrize(
    ("found", "code"), [([ok("a", "well"), warn("b", "hm", "do")], 0), ([fail("a", "ill", "mend")], 1)], ids=["well", "ill"]
)
def test_the_exit_code_says_whether_something_failed(place, monkeypatch, found, code):
    from cli.__main__ import app

    monkeypatch.setattr(command, "chosen", lambda which: place())
    monkeypatch.setattr(command, "examine", lambda place: found)
    plain, as_json = (CliRunner().invoke(app, ["doctor", *words]) for words in ([], ["--json"]))
    assert (plain.exit_code, as_json.exit_code) == (code, code)
    assert [one["state"] for one in json.loads(as_json.stdout)["findings"]] == [one.state for one in found]
    assert all(one.remedy in plain.stdout for one in found)


def test_without_a_stack_it_says_how_to_start_one(tmp_path, monkeypatch):
    monkeypatch.setenv("VISIONLOOP_HOME", str(tmp_path))
    monkeypatch.setenv("VISIONLOOP_ENV_FILE", str(tmp_path / ".env"))
    with pytest.raises(StackError, match="make up"):
        chosen(None)


def test_the_teams_addresses_are_those_of_dotenv(tmp_path, monkeypatch):
    monkeypatch.setenv("VISIONLOOP_HOME", str(tmp_path))
    monkeypatch.setenv("VISIONLOOP_ENV_FILE", str(tmp_path / ".env"))
    (tmp_path / ".env").write_text("COMPOSE_PROJECT_NAME=cells\nVISIONLOOP_PORT_S3=9001\nVISIONLOOP_PASSWORD=p\n")
    here = chosen(None)
    assert (here.project, here.airflow_url, here.password, here.runtime) == ("cells", "http://127.0.0.1:8080", "p", "docker")
    assert here.settings["AWS_ENDPOINT_URL"] == "http://127.0.0.1:9001"
