"""The team's YAML: sources, datasets and models, which become DAGs, and suites of expectations. Adding one is adding a file."""

from include.definitions.dataset import DatasetDefinition
from include.definitions.expectations import ExpectationSuite
from include.definitions.files import read_definitions
from include.definitions.model import ModelDefinition
from include.definitions.source import SourceDefinition

__all__ = ["DatasetDefinition", "ExpectationSuite", "ModelDefinition", "SourceDefinition", "read_definitions"]
