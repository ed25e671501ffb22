"""Buttons on a task: its MLflow run, its report, its dataset's card … Served by pages.py, so they are known before the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperatorLink
from airflow.sdk.configuration import conf

from include.storage.addresses import clean, task_folder

if TYPE_CHECKING:
    from airflow.sdk.types import RuntimeTaskInstanceProtocol

PREFIX = "/visionloop"


def base_url() -> str:
    return str(conf.get("api", "base_url", fallback="")).rstrip("/") + PREFIX


class MlflowLink(BaseOperatorLink):
    """The training run of the same DAG run."""

    name = "MLflow run"

    def get_link(self, operator: Any, *, ti_key: RuntimeTaskInstanceProtocol | Any) -> str:
        return f"{base_url()}/mlflow/{ti_key.dag_id}/{clean(ti_key.run_id)}"


class ArtifactLink(BaseOperatorLink):
    """A page that the step wrote below its output folder."""

    page: str

    def get_link(self, operator: Any, *, ti_key: RuntimeTaskInstanceProtocol | Any) -> str:
        return f"{base_url()}/artifacts/{task_folder(ti_key.dag_id, ti_key.run_id, ti_key.task_id)}/{self.page}"


class DataDocsLink(ArtifactLink):
    """Great Expectations' pages."""

    name = "Data Docs"
    page = "data_docs/index.html"


class ReportLink(ArtifactLink):
    """The step's own report."""

    name = "Report"
    page = "report.html"


class NearDuplicatesLink(ArtifactLink):
    """Pictures that look the same in different splits."""

    name = "Near duplicates"
    page = "near_duplicates.html"


class DatasetCardLink(BaseOperatorLink):
    """The page of the dataset version that the task made."""

    name = "Dataset card"

    def get_link(self, operator: Any, *, ti_key: RuntimeTaskInstanceProtocol | Any) -> str:
        return f"{base_url()}/dataset_card/{ti_key.dag_id}/{clean(ti_key.run_id)}/{clean(ti_key.task_id)}"


class SpotCheckLink(BaseOperatorLink):
    """The sample that a person looks at, with a form for the verdicts."""

    name = "Spot check"

    def get_link(self, operator: Any, *, ti_key: RuntimeTaskInstanceProtocol | Any) -> str:
        return f"{base_url()}/spot_check/{ti_key.dag_id}/{clean(ti_key.run_id)}"


LINKS: dict[str, BaseOperatorLink] = {
    "mlflow": MlflowLink(), "data_docs": DataDocsLink(), "report": ReportLink(), "dataset_card": DatasetCardLink(),
    "near_duplicates": NearDuplicatesLink(), "spot_check": SpotCheckLink(),
}  # fmt: skip
