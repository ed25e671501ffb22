from __future__ import annotations

from pathlib import Path

import pytest

from include.definitions import DatasetDefinition, ModelDefinition, SourceDefinition, read_definitions
from include.definitions.files import definitions_root
from include.errors import ConfigError

SOURCE = "owner: lead\nkind: coco\nprefix: inbox/trees\n"
SERVICE = "owner: lead\nkind: label_studio\nservice: {url: http://127.0.0.1:8080, project: 3}\nreturn_labels: {}\n"


def read(tmp_path: Path, text: str | bytes, name: str = "trees.yaml") -> SourceDefinition | ConfigError:
    folder = tmp_path / "include" / "sources"
    folder.mkdir(parents=True)
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    ((_, definition),) = read_definitions(SourceDefinition, tmp_path / "include")
    return definition


def test_definition_of_a_service_is_checked_by_its_kind(tmp_path: Path) -> None:
    definition = read(tmp_path, SERVICE)
    assert isinstance(definition, SourceDefinition), definition
    assert definition.is_service
    assert definition.service == {"url": "http://127.0.0.1:8080", "project": 3}


def test_definition_is_named_by_its_file(tmp_path: Path) -> None:
    definition = read(tmp_path, SOURCE)
    assert isinstance(definition, SourceDefinition)
    assert (definition.name, definition.prefix, definition.poll_every_s) == ("trees", "inbox/trees", 60)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SOURCE + "prefx: x\n", "1 problem in include/sources/trees.yaml: prefx: unknown key; is it spelt right?"),
        (
            "owner: lead\nkind: coco\n",
            "1 problem in include/sources/trees.yaml: kind coco is files in the bucket: expected `prefix` and no section",
        ),
        (SOURCE.replace("coco", "cvat"), "trees.yaml: kind cvat is a service: expected a section `service` and no `prefix`"),
        (SOURCE.replace("coco", "coco2"), "kind: got 'coco2': Input should be 'coco', 'yolo', "),
        (SERVICE.replace("project: 3", "projekt: 3"), "service.projekt: Extra inputs are not permitted"),
        (SERVICE.replace("http://", ""), "service.url: String should match pattern"),
        (SOURCE + "return_labels: {}\n", "kind coco is files in the bucket: nobody takes labels back; leave return_labels out"),
        (SOURCE + "poll_every_s: never\n", "poll_every_s: got 'never'"),
        (SOURCE + "poll_every_s: 0\n", "poll_every_s: got 0"),
        ("kind: 3\nowner: 7\n", "2 problems in include/sources/trees.yaml"),
        ("just a line", "include/sources/trees.yaml: got str, expected keys and values"),
        ("", "include/sources/trees.yaml: got NoneType, expected keys and values"),
        ("a: [1", "include/sources/trees.yaml: not readable as YAML"),
        (b"owner: \xff\n", "include/sources/trees.yaml: not readable as YAML"),
    ],
)
def test_mistake_names_file_key_and_what_was_got(tmp_path: Path, text: str | bytes, message: str) -> None:
    problem = read(tmp_path, text)
    assert isinstance(problem, ConfigError)
    assert message in str(problem)


@pytest.mark.parametrize("name", ["Trees.yaml", "my trees.yaml", "3.yaml"])
def test_file_name_that_cannot_name_a_dag_is_refused(tmp_path: Path, name: str) -> None:
    assert "use small letters, digits, - and _" in str(read(tmp_path, SOURCE, name))


def test_one_bad_file_does_not_hide_the_others(tmp_path: Path) -> None:
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "a.yaml").write_text(SOURCE)
    (folder / "b.yaml").write_text("owner: x")
    (folder / "c.yaml").write_text(SOURCE)
    kinds = [type(definition) for _, definition in read_definitions(SourceDefinition, tmp_path)]
    assert kinds == [SourceDefinition, ConfigError, SourceDefinition]


def test_teams_yaml_may_lie_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISIONLOOP_DEFINITIONS", str(tmp_path))
    assert definitions_root() == tmp_path


@pytest.mark.parametrize("kind", [SourceDefinition, DatasetDefinition, ModelDefinition])
def test_committed_definitions_are_sound(kind: type[SourceDefinition | DatasetDefinition | ModelDefinition]) -> None:
    found = list(read_definitions(kind))
    assert found
    assert all(isinstance(definition, kind) for _, definition in found)


def test_only_true_and_false_are_booleans(tmp_path: Path) -> None:
    words = "validate_annotations: {on: images, action: off, keep: yes, is_there: true}\n"
    definition = read(tmp_path, SOURCE + words)
    assert isinstance(definition, SourceDefinition), definition
    assert definition.validate_annotations == {"on": "images", "action": "off", "keep": "yes", "is_there": True}
