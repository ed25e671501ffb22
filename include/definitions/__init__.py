"""The team's YAML: sources, datasets and models, each file of which becomes DAGs; and who is told when they fail."""

from include.definitions.alerting import AlertRoute, Severity
from include.definitions.dataset import DatasetDefinition
from include.definitions.files import read_definitions
from include.definitions.model import ModelDefinition
from include.definitions.source import SourceDefinition

__all__ = ["AlertRoute", "DatasetDefinition", "ModelDefinition", "Severity", "SourceDefinition", "read_definitions"]
