"""What labels must be like: include/expectations/<name>.yaml, suites of rules that sources use and compose."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from include.checks.catalogue import BATCH, BY_NAME, IMAGE, ROW, Rule, Subject
from include.checks.parameters import Stock
from include.definitions.base import Definition


def _said(rules: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """YAML reads an `off` without quotes as false."""
    return {name: rule | {"action": "off"} if rule.get("action") is False else rule for name, rule in rules.items()}


Settings = Annotated[dict[str, dict[str, Any]], AfterValidator(_said)]


class Gate(BaseModel):
    """More findings than `max_share` stop the batch, or are warned of.

    Counted are the findings by `rules`, as a share of the batch's rows of their subject; without rules, the rows set aside.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rules: tuple[str, ...] = Field(default=(), description="all about images, or all about annotations; none: whatever rejects")
    on: Literal["annotations", "images"] = Field(default="annotations", description="whose share, where no rules are named")
    max_share: float = Field(ge=0, lt=1, description="0.02: two in a hundred pass, more do not")
    min_rows: int = Field(default=100, ge=1, description="a smaller batch is not judged by shares")
    action: Literal["stop", "warn"] = "stop"

    @property
    def name(self) -> str:
        return f"gate on {', '.join(self.rules) or f'rejected {self.on}'}"


class ExpectationSuite(Definition):
    """Rules by name, each with its action and parameters; any expectation that Great Expectations has, by `expect`."""

    noun: ClassVar[str] = "expectation"

    version: int = Field(ge=1, description="raise it with every change: findings name suite and version")
    includes: tuple[str, ...] = Field(default=(), description="suites whose rules this one has too, and may change")
    rules: Settings = Field(default_factory=dict)
    gates: tuple[Gate, ...] = ()

    @model_validator(mode="after")
    def _rules_are_known(self) -> Self:
        if said := problems(self.rules):
            raise ValueError("; ".join(said))
        return self


def rule_named(name: str, setting: dict[str, Any]) -> Rule | None:
    """The catalogue's, or one made of a stock expectation; None where there is neither."""
    if "expect" not in setting:
        return BY_NAME.get(name)
    subject: dict[str, Subject] = {"images": "image", "annotations": "annotation", "batch": "batch"}
    actions = {"images": IMAGE, "annotations": ROW, "batch": BATCH}
    on = setting.get("on", "annotations")
    return Rule(name, subject[on], str(setting["expect"]), Stock, actions[on]) if on in subject else None


def problems(rules: Settings) -> list[str]:
    """What is wrong with rules as written: key, got, expected. Parameters that are not given have their defaults."""
    return [f"rules.{name}{said}" for name, setting in rules.items() for said in _problems(name, setting)]


def _problems(name: str, setting: dict[str, Any]) -> list[str]:
    rule = rule_named(name, setting)
    if rule is None:
        if "expect" in setting:
            return [f".on: got {setting.get('on')!r}, expected images, annotations or batch"]
        if set(setting) <= {"action"} and setting.get("action") == "off":
            return []  # turns off what an included suite made of a stock expectation
        return [f": no such rule; the rules are {', '.join(BY_NAME)}; or `expect: expect_…` uses one of Great Expectations'"]
    if BY_NAME.get(name) is not None and "expect" in setting:
        return [".expect: the name is a rule's of the catalogue; choose another"]
    found, action = [], setting.get("action", rule.actions[0])
    if action not in rule.actions:
        found.append(f".action: got {action!r}, expected one of {', '.join(rule.actions)}")
    try:
        rule.parameters.model_validate({key: value for key, value in setting.items() if key not in ("action", "expect", "on")})
    except ValidationError as error:
        for one in error.errors():
            known = ", ".join(rule.parameters.model_fields) or "none"
            said = f"no such parameter; there are: {known}" if one["type"] == "extra_forbidden" else one["msg"]
            found.append(f".{'.'.join(map(str, one['loc']))}: got {one['input']!r}: {said}")
    return found
