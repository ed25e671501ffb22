"""The catalogue's rules as expectations of Great Expectations: `labels.<rule>`, one class made of each check.

All look at several columns of a row. The last column is always `row`, the row's number: Great Expectations wants two at least.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from include.checks import light_import  # noqa: F401 - before anything of great_expectations

# isort: split
import pandas as pd
from great_expectations import expectations as stock
from great_expectations.compatibility import pydantic
from great_expectations.execution_engine.pandas_execution_engine import PandasExecutionEngine
from great_expectations.expectations.expectation import Expectation, MulticolumnMapExpectation
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
from great_expectations.expectations.metrics.map_metric_provider.multicolumn_condition_partial import (
    multicolumn_condition_partial,
)
from great_expectations.expectations.metrics.map_metric_provider.multicolumn_map_metric_provider import (
    MulticolumnMapMetricProvider,
)

from include.checks.catalogue import BY_NAME
from include.checks.checks import Bools, Check
from include.checks.every import CHECKS
from include.definitions.suites import RuleInUse
from include.errors import ConfigError

DOMAIN = ("batch_id", "table", "column_list", "row_condition", "condition_parser", "ignore_row_if")
ROW = "row"
FOUND: dict[
    str, Bools
] = {}  # by rule, where it was broken when Great Expectations last asked: it makes lists of values, no columns


class _AboutLabels(MulticolumnMapExpectation):
    """Puts its configuration together once: Great Expectations asks for it a hundred times per part of a batch."""

    _said: ExpectationConfiguration | None = pydantic.PrivateAttr(default=None)

    @property
    def configuration(self) -> ExpectationConfiguration:
        if self._said is None:
            self._said = super().configuration
        return self._said


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _made_of(check: Check) -> type[MulticolumnMapExpectation]:
    """Great Expectations registers the classes by being made."""
    told = BY_NAME[check.name].parameters

    def condition(cls: object, column_list: pd.DataFrame, parameters: dict[str, object], **_: object) -> pd.Series:
        broken = FOUND[check.name] = check.broken(column_list, told.model_validate(parameters))
        return pd.Series(~broken, index=column_list.index)

    metric = {
        "condition_metric_name": f"labels.{check.name}",
        "condition_domain_keys": DOMAIN,
        "condition_value_keys": ("parameters",),
        "_pandas": multicolumn_condition_partial(engine=PandasExecutionEngine)(condition),
    }
    type(f"Labels{_camel(check.name)}", (MulticolumnMapMetricProvider,), metric)
    expectation = {
        "map_metric": f"labels.{check.name}",
        "success_keys": ("parameters", "mostly"),
        "parameters": {},
        "__annotations__": {"parameters": dict},
        "__module__": __name__,
        "__doc__": f"Expect {BY_NAME[check.name].expected}.",
    }
    return type(f"ExpectLabels{_camel(check.name)}", (_AboutLabels,), expectation)


OWN: dict[str, Callable[..., Expectation]] = {name: _made_of(check) for name, check in CHECKS.items()}


def expectation_of(rule: RuleInUse) -> Expectation:
    """Raises ConfigError for a stock expectation that is not there, or with arguments that it does not take."""
    named: dict[str, Any] = {"description": f"{rule.name}: {rule.expected}", "meta": {"rule": rule.name}}
    if not rule.expect:
        columns = [*CHECKS[rule.name].columns, ROW]
        return OWN[rule.name](column_list=columns, ignore_row_if="never", **named, parameters=rule.parameters)
    kind = getattr(stock, _camel(rule.expect), None)
    if kind is None:
        raise ConfigError(f"{rule.suite}: rules.{rule.name}.expect: Great Expectations has no {rule.expect}; is it spelt right?")
    try:
        made: Expectation = kind(**rule.parameters, **named)
    except Exception as error:  # pydantic 1's, which Great Expectations brings along
        raise ConfigError(f"{rule.suite}: rules.{rule.name}: {rule.expect}: {' '.join(str(error).split())}") from None
    return made
