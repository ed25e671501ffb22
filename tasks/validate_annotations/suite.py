"""Ask Great Expectations which rows break which rule, and keep its results for the Data Docs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import great_expectations as gx
import pandas as pd
from great_expectations.core.expectation_validation_result import ExpectationValidationResult
from great_expectations.data_context.types.base import ProgressBarsConfig

from tasks.validate_annotations.rules import Rule


class CheckCrashed(Exception):
    """A check raised an error: a bug in the check, never a statement about the data."""


@dataclass(frozen=True)
class Asked:
    """One rule, asked of so many rows, broken by so many."""

    question: str
    rule: str
    expected: str
    rows: int
    broken: int


class Suites:
    """A Great Expectations project in a scratch folder: one suite and one validation per question asked.

    `batch_id` and `batch_made_at` name the results and so their pages: a step that is repeated writes the same pages.
    """

    def __init__(self, folder: Path, batch_id: str, batch_made_at: datetime) -> None:
        logging.getLogger("great_expectations").setLevel(logging.WARNING)
        self.context = gx.get_context(mode="file", project_root_dir=folder)
        self.context.variables.progress_bars = ProgressBarsConfig(globally=False)  # 101 updates become one log line
        self.source = self.context.data_sources.add_pandas("batch")
        self.asked: list[Asked] = []
        self.run_id = gx.RunIdentifier(run_name=f"batch-{batch_id}", run_time=batch_made_at)

    def broken(self, question: str, rows: pd.DataFrame, rules: Sequence[Rule]) -> dict[str, list[str]]:
        """Keys of the rows that break a rule → the names of all the rules that they break, in the rules' order.

        `rows` is indexed by its key. Raises CheckCrashed.
        """
        key_column = str(rows.index.name)
        data = self.source.add_dataframe_asset(question).add_batch_definition_whole_dataframe("all rows")
        suite = self.context.suites.add(gx.ExpectationSuite(name=question, expectations=[rule.expectation for rule in rules]))
        validation = gx.ValidationDefinition(name=question, data=data, suite=suite)
        checkpoint = gx.Checkpoint(
            name=question,
            validation_definitions=[self.context.validation_definitions.add(validation)],
            result_format={"result_format": "COMPLETE", "unexpected_index_column_names": [key_column]},
        )
        outcome = self.context.checkpoints.add(checkpoint).run({"dataframe": rows.reset_index(drop=True)}, run_id=self.run_id)
        (results,) = outcome.run_results.values()
        found = {_rule_name(result): _keys(result, key_column) for result in results.results}
        broken: dict[str, list[str]] = {}
        for rule in rules:
            self.asked.append(Asked(question, rule.name, rule.expected, len(rows), len(found[rule.name])))
            for key in found[rule.name]:
                broken.setdefault(key, []).append(rule.name)
        return broken

    def build_docs(self) -> Path:
        """The folder of Great Expectations' Data Docs."""
        (index,) = self.context.build_data_docs().values()
        return Path(index.removeprefix("file://")).parent


def _rule_name(result: ExpectationValidationResult) -> str:
    assert result.expectation_config is not None
    return str(result.expectation_config.meta["rule"])


def _keys(result: ExpectationValidationResult, key_column: str) -> list[str]:
    """Keys of the unexpected rows. Raises CheckCrashed: Great Expectations reports a crash as success=False, like bad data."""
    info = result.exception_info or {}
    # one level deep, or nested by metric id
    for crash in (info, *(nested for nested in info.values() if isinstance(nested, dict))):
        if crash.get("raised_exception"):
            raise CheckCrashed(f"rule {_rule_name(result)}: {crash['exception_message']}\n{crash['exception_traceback']}")
    if not result.success and "unexpected_index_list" not in result.result:
        raise CheckCrashed(f"rule {_rule_name(result)}: failed without naming a row: {result.result}")
    return [row[key_column] for row in result.result.get("unexpected_index_list") or []]
