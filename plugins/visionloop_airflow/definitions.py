"""The definitions that are right, for the DAG files; what is wrong with the others, for dags/broken_definitions.py."""

from __future__ import annotations

from collections.abc import Iterator

from include.definitions import DatasetDefinition, ModelDefinition, SourceDefinition, read_definitions
from include.definitions.files import DefinitionT
from include.errors import ConfigError

KINDS = (SourceDefinition, DatasetDefinition, ModelDefinition)


def good(kind: type[DefinitionT]) -> Iterator[DefinitionT]:
    """One broken file does not take the other DAGs with it."""
    for _, found in read_definitions(kind):
        if not isinstance(found, ConfigError):
            yield found


def problems() -> list[str]:
    """What is wrong in any definition file, and names that lead nowhere."""
    found = [str(one) for kind in KINDS for _, one in read_definitions(kind) if isinstance(one, ConfigError)]
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
    return found
