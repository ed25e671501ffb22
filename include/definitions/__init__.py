"""The team's YAML: sources, datasets and models. Each file becomes DAGs; adding one is adding a file."""

from include.definitions.dataset import DatasetDefinition
from include.definitions.files import read_definitions
from include.definitions.model import ModelDefinition
from include.definitions.source import SourceDefinition

__all__ = ["DatasetDefinition", "ModelDefinition", "SourceDefinition", "read_definitions"]
