"""The team's YAML: sources, datasets and models, which become DAGs; suites of expectations; and who is told when a run fails."""

from include.definitions.alerting import AlertRoute, Severity
from include.definitions.dataset import DatasetDefinition
from include.definitions.expectations import ExpectationSuite
from include.definitions.files import read_definitions
from include.definitions.model import ModelDefinition
from include.definitions.source import SourceDefinition

__all__ = [
    "AlertRoute", "DatasetDefinition", "ExpectationSuite", "ModelDefinition", "Severity", "SourceDefinition", "read_definitions",
]  # fmt: skip
