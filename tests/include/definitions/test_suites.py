from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from include.checks.catalogue import BY_NAME, RULES
from include.definitions.expectations import ExpectationSuite
from include.definitions.files import read_definition
from include.definitions.suites import OURS, InUse, resolve
from include.errors import ConfigError

SECTION = {"classes": {"Tree": "Tree", "Alive": "Tree"}}
ALWAYS = {
    "image_present", "image_unique", "known_image", "shape_has_a_box", "box_finite", "box_positive_area", "known_class",
    "annotators_agree",
}  # fmt: skip
Write = Callable[[str, str], None]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def suite(name: str, text: str) -> None:
        (tmp_path / "expectations").mkdir(exist_ok=True)
        (tmp_path / "expectations" / f"{name}.yaml").write_text(f"owner: lead\n{text}")

    return suite


def rules(in_use: InUse) -> dict[str, tuple[str, str]]:
    return {one.name: (one.suite, one.action) for one in in_use.rules}


def test_source_that_names_no_suite_is_checked_by_detector(tmp_path: Path) -> None:
    in_use = resolve(SECTION, "trees", tmp_path)
    assert in_use.suites == ("detector@1",)
    assert rules(in_use)["box_min_side"] == ("detector@1", "reject")
    (known,) = [one for one in in_use.rules if one.name == "known_class"]
    assert (known.parameters["classes"], known.expected) == (["Alive", "Tree"], "one of: Alive, Tree")


def test_later_suite_changes_parameters_and_turns_rules_off(tmp_path: Path, write: Write) -> None:
    write(
        "tiles", "version: 4\nincludes: [detector]\nrules: {box_min_side: {min_side_px: 3}, box_max_aspect_ratio: {action: off}}"
    )
    in_use = resolve({**SECTION, "suites": ["tiles"]}, "trees", tmp_path)
    (side,) = [one for one in in_use.rules if one.name == "box_min_side"]
    assert in_use.suites == ("detector@1", "tiles@4")
    assert (side.action, side.parameters, side.expected) == ("reject", {"min_side_px": 3.0}, "both sides at least 3 px")
    assert "box_max_aspect_ratio" not in rules(in_use)


def test_source_has_the_last_word(tmp_path: Path, write: Write) -> None:
    write("tiles", "version: 1\nrules: {box_min_side: {min_side_px: 3, action: warn}}")
    in_use = resolve({**SECTION, "suites": ["tiles"], "rules": {"box_min_side": {"min_side_px": 5}}}, "trees", tmp_path)
    (side,) = [one for one in in_use.rules if one.name == "box_min_side"]
    assert (side.suite, side.action, side.parameters) == ("tiles@1", "warn", {"min_side_px": 5.0})


def test_suite_that_is_included_twice_is_read_once(tmp_path: Path, write: Write) -> None:
    write("a", "version: 1\nincludes: [detector]")
    write("b", "version: 1\nincludes: [detector, a]")
    assert resolve({**SECTION, "suites": ["a", "b"]}, "trees", tmp_path).suites == ("detector@1", "a@1", "b@1")


def test_what_no_row_can_teach_without_is_asked_by_a_suite_of_nothing(tmp_path: Path, write: Write) -> None:
    write("nothing", "version: 1")
    in_use = resolve({**SECTION, "suites": ["nothing"]}, "trees", tmp_path)
    assert {one.name for one in in_use.rules} == ALWAYS
    assert {one.suite for one in in_use.rules} == {"visionloop"}


def test_rule_with_nothing_to_ask_for_is_not_asked(tmp_path: Path) -> None:
    told = {"known_attributes": {"values": {"occluded": [True, False]}}}
    assert {"known_attributes", "guideline_version", "image_has_tags"}.isdisjoint(rules(resolve(SECTION, "trees", tmp_path)))
    assert "known_attributes" in rules(resolve({**SECTION, "rules": told}, "trees", tmp_path))


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"suites": ["detectr"]}, "suites: got 'detectr', expected one of detector"),
        ({"rules": {"box_min_side": {"min_side_px": "two"}}}, "rules.box_min_side.min_side_px: got 'two': Input should"),
        ({"rules": {"box_min_side": {"side": 2}}}, "rules.box_min_side.side: got 2: no such parameter; there are: "),
        ({"rules": {"box_min_sid": {"action": "warn"}}}, "rules.box_min_sid: no such rule; the rules are image_present, "),
        ({"rules": {"known_class": {"action": "off"}}}, "rules.known_class.action: got 'off', expected one of reject, "),
        ({"rules": {"box_min_sid": {"action": "off"}}}, "rules.box_min_sid: turned off, but no suite has such a rule"),
        ({"rules": {"north": {"expect": "expect_x", "on": "boxes"}}}, "rules.north.on: got 'boxes', expected images"),
        ({"rules": {"box_finite": {"expect": "expect_x"}}}, "rules.box_finite.expect: the name is a rule's of the catalogue"),
        ({"gates": [{"max_share": 1.5}]}, "gates.0.max_share: got 1.5: Input should be less than 1"),
        ({"gates": [{"rules": ["box_min_sid"], "max_share": 0.1}]}, "gates.rules: got 'box_min_sid', expected rules"),
        ({"gates": [{"rules": ["image_unique", "box_finite"], "max_share": 0.1}]}, "about annotation and image; name"),
    ],
    ids=["suite", "number", "parameter", "rule", "must", "off", "on", "taken", "share", "gate's rule", "gate's subjects"],
)  # fmt: skip
def test_mistake_of_a_source_names_file_key_got_and_expected(tmp_path: Path, section: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        resolve({**SECTION, **section}, "trees", tmp_path)
    assert "include/sources/trees.yaml, validate_annotations" in str(error.value)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("version: 1\nrules: {box_min_side: {min_side_px: -1}}", "expectations/odd.yaml: rules.box_min_side.min_side_px: got -1"),
        ("rules: {}", "expectations/odd.yaml: version: missing"),
        ("version: 1\nincludes: [odd]", "include/expectations/odd.yaml: includes: odd → odd: a suite cannot include itself"),
    ],
    ids=["parameter", "no version", "itself"],
)
def test_mistake_of_a_suite_names_its_file(tmp_path: Path, write: Write, text: str, said: str) -> None:
    write("odd", text)
    with pytest.raises(ConfigError) as error:
        resolve({**SECTION, "suites": ["odd"]}, "trees", tmp_path)
    assert said in str(error.value)


def test_default_suite_names_every_rule_and_every_parameter() -> None:
    suite = read_definition(ExpectationSuite, OURS / "expectations" / "detector.yaml")
    left_out = {"area_as_stated"}  # nothing here trains or scores by it
    assert set(suite.rules) == set(BY_NAME) - left_out
    unnamed = {
        (rule.name, name)
        for rule in RULES
        if rule.name not in left_out
        for name in rule.parameters.model_fields
        if name not in suite.rules[rule.name]
    }
    assert unnamed == {("known_class", "classes")}  # the source's
