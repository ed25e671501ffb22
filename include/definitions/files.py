"""Read include/{sources,datasets,models,alerting}/*.yaml. The file's name is the definition's name."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import ValidationError

from include.definitions.base import Definition
from include.definitions.problems import flatten
from include.errors import ConfigError

DefinitionT = TypeVar("DefinitionT", bound=Definition)


BOOL = "tag:yaml.org,2002:bool"


class Loader(yaml.SafeLoader):
    """Of YAML 1.2, where only true and false are booleans: `on` stays a key, and `off` a word."""


_resolvers = yaml.SafeLoader.yaml_implicit_resolvers
Loader.yaml_implicit_resolvers = {first: [one for one in some if one[0] != BOOL] for first, some in _resolvers.items()}
Loader.add_implicit_resolver(BOOL, re.compile("^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))


def definitions_root() -> Path:
    """include/ of this checkout, or $VISIONLOOP_DEFINITIONS for a team that keeps its YAML elsewhere."""
    return Path(os.environ.get("VISIONLOOP_DEFINITIONS") or Path(__file__).resolve().parents[1])


def read_definition(kind: type[DefinitionT], path: Path) -> DefinitionT:
    """Raises ConfigError that names the file, the key, what it got and what it expects."""
    where = f"{path.parent.parent.name}/{path.parent.name}/{path.name}"
    if not re.fullmatch(r"[a-z][a-z0-9_-]*", path.stem):
        raise ConfigError(f"{where}: the file's name is the {kind.noun}'s name: use small letters, digits, - and _")
    try:
        content = yaml.load(path.read_text(), Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{where}: not readable as YAML: {error}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{where}: got {type(content).__name__}, expected keys and values")
    try:
        return kind.model_validate({"name": path.stem, **content})
    except ValidationError as error:
        raise ConfigError(flatten(error, where)) from None


def read_definitions(kind: type[DefinitionT], root: Path | None = None) -> Iterator[tuple[Path, DefinitionT | ConfigError]]:
    """Each file with its definition, or with what is wrong with it: one bad file does not hide the others."""
    for path in sorted(((root or definitions_root()) / kind.folder).glob("*.yaml")):
        try:
            yield path, read_definition(kind, path)
        except ConfigError as error:
            yield path, error
