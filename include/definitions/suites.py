"""The rules that one source is checked by: its suites put together, with what the source itself changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from include.checks.catalogue import BY_NAME, RULES, Action, Rule, Subject
from include.definitions.expectations import ExpectationSuite, Gate, Settings, problems, rule_named
from include.definitions.files import definitions_root, read_definition
from include.definitions.problems import flatten
from include.definitions.source import SourceDefinition
from include.errors import ConfigError

OURS = Path(__file__).resolve().parents[1]
NOT_PARAMETERS = ("action", "expect", "on")
On = Literal["images", "annotations", "batch"]
SUBJECTS: dict[Subject, On] = {
    "image": "images",
    "annotation": "annotations",
    "batch": "batch",
}
# Without these a row cannot teach at all, or teaches twice: asked whatever a suite says or leaves out.
ALWAYS: Settings = {rule.name: {} for rule in RULES if "off" not in rule.actions}


class RuleInUse(BaseModel):
    """A rule with all its parameters. `suite`: name@version of the suite that has it, or `source <name>`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    suite: str
    action: Action
    parameters: dict[str, Any] = Field(default_factory=dict)
    expect: str | None = Field(default=None, description="an expectation of Great Expectations, instead of the catalogue's")
    on: On = "annotations"

    @cached_property
    def rule(self) -> Rule:
        stock = {"expect": self.expect, "on": self.on} if self.expect else {}
        found = rule_named(self.name, stock)
        assert found is not None  # resolve() has looked
        return found

    @cached_property
    def expected(self) -> str:
        """In words."""
        lists = {key: ", ".join(map(str, value)) for key, value in self.parameters.items() if isinstance(value, list | tuple)}
        shown = self.parameters | lists
        if self.expect:
            return f"{self.expect} {', '.join(f'{key} {value}' for key, value in shown.items())}"
        return self.rule.expected.format_map(shown)


class InUse(BaseModel):
    """What a run is told, whole: no file is read again. `suites`: name@version of each, in the order in which they were read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    suites: tuple[str, ...] = ()
    rules: tuple[RuleInUse, ...] = ()
    gates: tuple[Gate, ...] = ()

    def of(self, subject: Subject) -> list[RuleInUse]:
        return [one for one in self.rules if one.rule.subject == subject]


class Chosen(BaseModel):
    """What a source's section `validate_annotations` says of rules."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    suites: tuple[str, ...] = ("detector",)
    rules: Settings = Field(default_factory=dict)
    gates: tuple[Gate, ...] = ()


def resolve(section: Mapping[str, Any], source: str, root: Path | None = None) -> InUse:
    """The rules of a source. Raises ConfigError that names the file, the key, what it got and what it expects."""
    where = f"include/sources/{source}.yaml, validate_annotations"
    try:
        chosen = Chosen.model_validate(dict(section))
    except ValidationError as error:
        raise ConfigError(flatten(error, where)) from None
    if wrong := problems(chosen.rules):
        raise ConfigError(f"{len(wrong)} problem{'s' if len(wrong) > 1 else ''} in {where}: {'; '.join(wrong)}")
    settings: dict[str, dict[str, Any]] = {}
    suite_of: dict[str, str] = {}
    read = list(_with_includes(chosen.suites, root or definitions_root(), where, ()))
    classes = sorted(section.get("classes") or {})
    said = [(f"{suite.name}@{suite.version}", suite.rules) for suite in read]
    for name, rules in [*said, (f"source {source}", chosen.rules), ("visionloop", ALWAYS)]:
        for rule, setting in rules.items():
            settings[rule] = settings.get(rule, {}) | setting
            suite_of.setdefault(rule, name)
    in_use = tuple(_in_use(name, settings[name], suite_of[name], classes, where) for name in _ordered(settings))
    gates = tuple(gate for suite in read for gate in suite.gates) + chosen.gates
    for gate in gates:
        _check_gate(gate, in_use, where)
    suites = tuple(f"{suite.name}@{suite.version}" for suite in read)
    return InUse(suites=suites, rules=tuple(one for one in in_use if one.action != "off"), gates=gates)


def told(source: SourceDefinition) -> dict[str, Any]:
    """What validate_annotations is told for a source, with its rules put together. Raises ConfigError as `resolve` does."""
    section = source.validate_annotations
    in_use = resolve(section, source.name)
    return {"source": source.name, "owner": source.owner, **section, "in_use": in_use.model_dump(mode="json")}


def _with_includes(names: Sequence[str], root: Path, where: str, within: tuple[str, ...]) -> Iterator[ExpectationSuite]:
    """Each suite once, after those that it includes."""
    seen: set[str] = set()
    for name in names:
        if name in within:
            raise ConfigError(f"{where}: includes: {' → '.join([*within, name])}: a suite cannot include itself")
        for suite in _suites(name, root, where, within):
            if suite.name not in seen:
                seen.add(suite.name)
                yield suite


def _suites(name: str, root: Path, where: str, within: tuple[str, ...]) -> Iterator[ExpectationSuite]:
    folders = [folder / "expectations" for folder in (root, OURS)]  # a team that keeps its YAML elsewhere has ours too
    path = next((one for folder in folders if (one := folder / f"{name}.yaml").is_file()), None)
    if path is None:
        there = sorted({one.stem for folder in folders for one in folder.glob("*.yaml")})
        raise ConfigError(f"{where}: suites: got {name!r}, expected one of {', '.join(there)} (include/expectations/)")
    suite = read_definition(ExpectationSuite, path)
    yield from _with_includes(suite.includes, root, f"include/expectations/{path.name}", (*within, name))
    yield suite


def _ordered(settings: Settings) -> list[str]:
    """In the order of the catalogue; stock expectations after those."""
    return [name for name in BY_NAME if name in settings] + [name for name in settings if name not in BY_NAME]


def _in_use(name: str, setting: dict[str, Any], suite: str, classes: list[str], where: str) -> RuleInUse:
    rule = rule_named(name, setting)
    if rule is None:
        raise ConfigError(f"{where}: rules.{name}: turned off, but no suite has such a rule; is it spelt right?")
    told = rule.parameters.model_validate({key: value for key, value in setting.items() if key not in NOT_PARAMETERS})
    parameters = told.model_dump(mode="json")
    if name == "known_class" and not parameters["classes"]:
        parameters["classes"] = classes
    action = setting.get("action", rule.actions[0])
    if any(parameters.get(key) in ((), [], {}) for key in ("tags", "values", "versions")):
        action = "off"  # nothing to ask for
    on = setting.get("on", "annotations") if "expect" in setting else SUBJECTS[rule.subject]
    return RuleInUse(name=name, suite=suite, action=action, parameters=parameters, expect=setting.get("expect"), on=on)


def _check_gate(gate: Gate, rules: Sequence[RuleInUse], where: str) -> None:
    known = {one.name: one.rule.subject for one in rules}
    for name in gate.rules:
        if name not in known:
            raise ConfigError(f"{where}: gates.rules: got {name!r}, expected rules of its suites: {', '.join(known)}")
    subjects = {known[name] for name in gate.rules}
    if len(subjects) > 1 or "batch" in subjects:
        raise ConfigError(
            f"{where}: {gate.name}: about {' and '.join(sorted(subjects))}; name rules about images, or about annotations"
        )
