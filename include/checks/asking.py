"""Ask Great Expectations which rows break which rule, part by part of a batch, and keep its results for the Data Docs."""

from __future__ import annotations

import gc
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from include.checks.checks import Bools
from include.checks.expectations import FOUND, expectation_of
from include.definitions.suites import RuleInUse
from include.errors import ConfigError

# after include.checks.expectations, which says how it is to be imported
import great_expectations as gx  # isort: skip
from great_expectations.core.expectation_validation_result import (  # isort: skip
    ExpectationSuiteValidationResult,
    ExpectationValidationResult,
)
from great_expectations.data_context.types.base import ProgressBarsConfig  # isort: skip
from great_expectations.data_context.types.resource_identifiers import (  # isort: skip
    ExpectationSuiteIdentifier,
    ValidationResultIdentifier,
)
from great_expectations.execution_engine.pandas_execution_engine import PandasExecutionEngine  # isort: skip
from great_expectations.expectations.expectation import Expectation  # isort: skip
from great_expectations.validator.metric_configuration import MetricConfiguration  # isort: skip
from great_expectations.validator.metrics_calculator import MetricsCalculator  # isort: skip
from great_expectations.validator.validator import Validator  # isort: skip

# Counts and a few values; which rows they are is asked of the metric itself: COMPLETE builds a dict per row, and lists 200 values
HOW: dict[str, Any] = {"result_format": "BASIC", "partial_unexpected_count": 20, "return_unexpected_index_query": False}


class CheckCrashed(Exception):
    """A check raised an error: a bug in the check, never a statement about the data."""


@dataclass
class Asked:
    """One rule, asked of so many rows, broken by so many."""

    question: str
    rule: str
    expected: str
    rows: int = 0
    broken: int = 0


@dataclass
class _Answers:
    """Of one question, over all the parts that were asked."""

    expectations: list[Expectation]
    asked: dict[str, Asked]
    results: dict[str, ExpectationValidationResult] = field(default_factory=dict)

    def add(self, name: str, result: ExpectationValidationResult) -> None:
        """Counts are added up, and the first few values kept."""
        asked, new = self.asked[name], result.result
        asked.rows += new.get("element_count", 0)
        asked.broken += new.get("unexpected_count", 0)
        before = self.results[name].result if name in self.results else {}
        result.success = bool(result.success) and (name not in self.results or bool(self.results[name].success))
        if "element_count" in new:
            share = 100 * asked.broken / asked.rows if asked.rows else 0.0
            some = (before.get("partial_unexpected_list", []) + new.get("partial_unexpected_list", []))[:20]
            result.result = {
                "element_count": asked.rows, "unexpected_count": asked.broken, "unexpected_percent": share,
                "partial_unexpected_list": some,
            }  # fmt: skip
        self.results[name] = result


class Suites:
    """A Great Expectations project in a scratch folder: one suite and one result per question, whatever the number of parts.

    `batch_id` and `batch_made_at` name the results and so their pages: a step that is repeated writes the same pages.
    """

    def __init__(self, folder: Path, batch_id: str, batch_made_at: datetime) -> None:
        logging.getLogger("great_expectations").setLevel(logging.WARNING)
        self.folder = folder
        self.context = gx.get_context(mode="ephemeral")
        self.context.variables.progress_bars = ProgressBarsConfig(globally=False)  # 101 updates become one log line
        self.run_id = gx.RunIdentifier(run_name=f"batch-{batch_id}", run_time=batch_made_at)
        self.answers: dict[str, _Answers] = {}

    @property
    def asked(self) -> list[Asked]:
        return [one for answers in self.answers.values() for one in answers.asked.values()]

    def broken(self, question: str, rows: pd.DataFrame, rules: Sequence[RuleInUse]) -> dict[str, Bools]:
        """Where each rule is broken, True or False by row; of a rule about all rows together, one value.

        `rows` has a column `row` of numbers. A question may be asked again of further rows. Raises CheckCrashed, or ConfigError
        for what Great Expectations cannot be asked.
        """
        expectations = {rule.name: expectation_of(rule) for rule in rules}
        for rule in rules:
            if rule.on != "batch" and not hasattr(expectations[rule.name], "map_metric"):
                raise ConfigError(f"{rule.suite}: rules.{rule.name}: {rule.expect} is about all rows together: say `on: batch`")
        if question not in self.answers:
            made = list(expectations.values())
            self.answers[question] = _Answers(made, {one.name: Asked(question, one.name, one.expected) for one in rules})
        answers = self.answers[question]
        # without a data source, which would hash all cells twice for a fingerprint
        engine = PandasExecutionEngine(batch_data_dict={question: rows})
        validator = Validator(execution_engine=engine, data_context=self.context)
        FOUND.clear()
        asked = [one.configuration for one in expectations.values()]
        found = {
            _rule_name(one): one for one in validator.graph_validate(asked, {"result_format": HOW, "catch_exceptions": True})
        }
        for name, result in found.items():
            _raise_if_crashed(name, result)
            answers.add(name, result)
        masks = _masks(engine, expectations, found, len(rows))
        del engine, validator
        gc.collect(1)  # they point at each other and at the rows, which would stay until Python looks by itself
        return masks

    def build_docs(self) -> Path:
        """The folder of Great Expectations' Data Docs, made in a project of files: only there it writes pages."""
        project = gx.get_context(mode="file", project_root_dir=self.folder)
        project.variables.progress_bars = ProgressBarsConfig(globally=False)
        for question, answers in self.answers.items():
            project.suites.add(gx.ExpectationSuite(name=question, expectations=answers.expectations))
            results = list(answers.results.values())
            count = sum(bool(one.success) for one in results)
            whole = ExpectationSuiteValidationResult(
                success=count == len(results), results=results, suite_name=question,
                statistics={
                    "evaluated_expectations": len(results), "successful_expectations": count,
                    "unsuccessful_expectations": len(results) - count, "success_percent": 100 * count / max(1, len(results)),
                },
                meta={"run_id": self.run_id, "great_expectations_version": gx.__version__},
            )  # fmt: skip
            key = ValidationResultIdentifier(ExpectationSuiteIdentifier(question), self.run_id, "all-rows")
            project.validation_results_store.set(key, whole)
        (index,) = project.build_data_docs().values()
        return Path(index.removeprefix("file://")).parent


def _masks(
    engine: PandasExecutionEngine, expectations: dict[str, Expectation], found: dict[str, Any], count: int
) -> dict[str, Bools]:
    """What Great Expectations itself found of each row, before it makes lists of it."""
    conditions: dict[str, MetricConfiguration] = {}
    for name, one in expectations.items():
        metric = getattr(one, "map_metric", None)
        if metric and name not in FOUND:
            needs = one.get_validation_dependencies(engine, {"result_format": HOW})
            counted = needs.get_metric_configuration(f"{metric}.unexpected_count")
            assert counted is not None
            told = counted.metric_domain_kwargs, counted.metric_value_kwargs
            conditions[name] = MetricConfiguration(f"{metric}.condition", *told)
    calculator = MetricsCalculator(engine, show_progress_bars=False)
    values, _ = calculator.compute_metrics(list(conditions.values())) if conditions else ({}, {})
    masks = {}
    for name in expectations:
        if name in FOUND:
            masks[name] = FOUND[name]
        elif name in conditions:
            answer = values[conditions[name].id][0]
            masks[name] = np.zeros(count, np.bool_)
            masks[name][answer.index[answer.to_numpy(np.bool_)]] = True  # a stock one leaves out the rows without a value
        else:
            masks[name] = np.array([not found[name].success])
    return masks


def _rule_name(result: ExpectationValidationResult) -> str:
    assert result.expectation_config is not None
    return str(result.expectation_config.meta["rule"])


def _raise_if_crashed(name: str, result: ExpectationValidationResult) -> None:
    """Great Expectations reports a crash as success=False, like bad data."""
    info = result.exception_info or {}
    # one level deep, or nested by metric id
    for crash in (info, *(nested for nested in info.values() if isinstance(nested, dict))):
        if crash.get("raised_exception"):
            raise CheckCrashed(f"rule {name}: {crash['exception_message']}\n{crash['exception_traceback']}")
