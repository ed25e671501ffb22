"""The definitions that are right, for the DAG files; what is wrong with the others, for dags/broken_definitions.py."""

from __future__ import annotations

from collections.abc import Iterator

from airflow.exceptions import AirflowTimetableInvalid
from airflow.sdk.exceptions import ParamValidationError
from airflow.timetables.trigger import CronTriggerTimetable

from include.definitions import DatasetDefinition, ExpectationSuite, ModelDefinition, SourceDefinition, read_definitions, suites
from include.definitions.base import Definition
from include.definitions.files import DefinitionT
from include.errors import ConfigError
from visionloop_airflow.forms import training_form

KINDS = (ExpectationSuite, SourceDefinition, DatasetDefinition, ModelDefinition)


def unusable(definition: Definition) -> list[str]:
    """Values that a schema lets pass, but no DAG can be made of."""
    found = []
    for key in ("sweep", "nightly"):
        cron = getattr(definition, key, None)
        try:
            CronTriggerTimetable(cron or "@daily", timezone="UTC").validate()
        except AirflowTimetableInvalid as error:
            found.append(f"{key}: got {cron!r}, expected a cron expression such as '0 2 * * *' ({error})")
    if isinstance(definition, ModelDefinition):
        for name, param in training_form(definition).items():
            try:
                param.resolve()
            except ParamValidationError as error:
                reason = str(error).split("\n", 1)[0].removeprefix("Invalid input for param None: ")
                found.append(f"train_detector.{name}: {reason}")
    said = [f"include/{definition.noun}s/{definition.name}.yaml: {problem}" for problem in found]
    if isinstance(definition, SourceDefinition):
        try:
            suites.resolve(definition.validate_annotations, definition.name)
        except ConfigError as error:
            said.append(str(error))
    return said


def good(kind: type[DefinitionT]) -> Iterator[DefinitionT]:
    """One broken file does not take the other DAGs with it."""
    for _, found in read_definitions(kind):
        if not isinstance(found, ConfigError) and not unusable(found):
            yield found


def problems() -> list[str]:
    """What is wrong in any definition file, and names that lead nowhere."""
    found = []
    for kind in KINDS:
        for _, one in read_definitions(kind):
            found += [str(one)] if isinstance(one, ConfigError) else unusable(one)
    sources = {path.stem for path, _ in read_definitions(SourceDefinition)}
    datasets = {path.stem for path, _ in read_definitions(DatasetDefinition)}
    for dataset in good(DatasetDefinition):
        found += [
            f"include/datasets/{dataset.name}.yaml: sources: got {name!r}, expected one of {sorted(sources)}"
            for name in dataset.sources
            if name not in sources
        ]
    for model in good(ModelDefinition):
        if model.dataset not in datasets:
            found.append(f"include/models/{model.name}.yaml: dataset: got {model.dataset!r}, expected one of {sorted(datasets)}")
    return list(dict.fromkeys(found))  # a suite that is wrong is so for every source that uses it
