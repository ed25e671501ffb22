"""What MLflow knows: one run per training, and which registered version is the champion.

Safe to repeat: a training's run is found again by its output folder, a model version by its bundle.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from include.artifacts import DatasetVersion
from include.errors import ConfigError
from include.storage.addresses import ModelName

CHAMPION = "champion"
OUTPUT_TAG = "visionloop.output"
BUNDLE_TAG = "visionloop.bundle"
DATASET_CARD_TAG = "visionloop.dataset_card"  # the key of its page
CHECKED_LABELS_TAG = "visionloop.checked_labels"  # the keys of the batches that it was made of, the newest first
TAGGED, LINKED = 60, 6  # of them: a tag is short; the dataset's card has them all
EXPERIMENT = {"mlflow.experimentKind": "custom_model_development"}  # else MLflow's pages are those for language models


@dataclass(frozen=True)
class Champion:
    """The registered version that serves: its number and the key of its bundle card."""

    version: str
    bundle: str


def dataset_tags(dataset: DatasetVersion) -> dict[str, str]:
    """The way from a run to the card of its dataset and to the checks of its labels: their keys; and links, where Airflow's
    address is known.
    """
    key, batches = f"datasets/{dataset.name}/{dataset.version}.html", dataset.checked_labels[::-1]
    tags = {DATASET_CARD_TAG: key} | ({CHECKED_LABELS_TAG: "\n".join(batches[:TAGGED])} if batches else {})
    if shown_at := os.environ.get("VISIONLOOP_PAGES"):
        links = ", ".join(_data_docs(shown_at, one) for one in batches[:LINKED])
        more = f" and {len(batches) - LINKED} earlier" if len(batches) > LINKED else ""
        checks = f". Data Docs of its labels: {links}{more}" if batches else ""
        tags["mlflow.note.content"] = f"Trained on [{dataset.label}]({shown_at}/artifacts/{key}){checks}"
    return tags


def _data_docs(shown_at: str, checked: str) -> str:
    """A link by the key of a card: where its pages lie, Airflow's server looks up."""
    _, source, _, batch = checked.removesuffix(".json").split("/")
    return f"[{source} {batch}]({shown_at}/data_docs/{source}/{batch})"


class Lineage:
    """An MLflow server, as Visionloop uses it."""

    def __init__(self, tracking_uri: str | None = None) -> None:
        uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
        if not uri:
            raise ConfigError("no MLflow server: set MLFLOW_TRACKING_URI")
        self.uri = uri

    @cached_property
    def client(self) -> MlflowClient:
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "4")
        os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # a step's log is its stderr
        return MlflowClient(self.uri)

    def _experiment(self, model: str) -> str:
        found = self.client.get_experiment_by_name(model)
        if found is not None:
            return str(found.experiment_id)
        try:
            return str(self.client.create_experiment(model, tags=EXPERIMENT))
        except MlflowException:
            found = self.client.get_experiment_by_name(model)  # did someone else make it meanwhile?
            if found is None:
                raise
            return str(found.experiment_id)

    def find_run(self, model: str, output: str) -> str | None:
        """The id of the training run whose output folder is `output`."""
        runs = self.client.search_runs([self._experiment(model)], f"tags.`{OUTPUT_TAG}` = '{output}'", max_results=1)
        return str(runs[0].info.run_id) if runs else None

    def start_training(
        self, model: str, output: str, dataset: DatasetVersion, params: Mapping[str, object], tags: Mapping[str, str]
    ) -> str:
        """The run of this training: found again after a crash, made otherwise. Returns its id."""
        run_id = self.find_run(model, output)
        if run_id is None:
            shown = {  # where MLflow's own pages look
                "mlflow.user": tags.get("visionloop.started_by", ""),
                "mlflow.source.name": tags.get("visionloop.task_id", ""),
                "mlflow.source.git.commit": tags.get("visionloop.git_commit", ""),
            }
            run = self.client.create_run(
                self._experiment(model),
                run_name=tags.get("visionloop.run_id"),
                tags={OUTPUT_TAG: output, **dataset_tags(dataset), **shown, **tags},
            )
            run_id = str(run.info.run_id)
        source = f'{{"uri": "dataset://{dataset.label}"}}'
        used = Dataset(name=dataset.label, digest=dataset.digest, source_type="visionloop", source=source)
        self.client.log_inputs(run_id, [DatasetInput(used, [InputTag("mlflow.data.context", "training")])])
        self.client.log_batch(run_id, params=[Param(name, str(value)) for name, value in params.items()])
        self.client.update_run(run_id, status="RUNNING")
        return run_id

    def log_metrics(self, run_id: str, metrics: Mapping[str, float], step: int, timestamp_ms: int) -> None:
        self.client.log_batch(run_id, metrics=[Metric(name, value, timestamp_ms, step) for name, value in metrics.items()])

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        self.client.log_batch(run_id, tags=[RunTag(name, value) for name, value in tags.items()])

    def end_run(self, run_id: str, status: str = "FINISHED") -> None:
        self.client.set_terminated(run_id, status)

    def register(self, model: str, bundle: str, source: str, run_id: str, tags: Mapping[str, str]) -> str:
        """The registry version number of a bundle (its card's key); registered on first call.

        `source` says where the archive lies. Two calls at once for the same bundle end with one version: the lower number.
        """
        try:
            self.client.create_registered_model(model)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        if not self._versions_of(model, bundle):
            # MLflow takes a file:// source only from within a run's own artifacts
            where = source.replace("file://", "visionloop-file://")
            self.client.create_model_version(model, source=where, run_id=run_id, tags={BUNDLE_TAG: bundle, **tags})
        first, *doubled = self._versions_of(model, bundle)
        for version in doubled:
            self._delete(model, version)
        return str(first)

    def _versions_of(self, model: str, bundle: str) -> list[int]:
        found = self.client.search_model_versions(f"name = '{model}' and tags.`{BUNDLE_TAG}` = '{bundle}'")
        return sorted(int(version.version) for version in found)

    def registered(self) -> Iterator[str]:
        """Of every registered version of every model: where its archive lies, and its tags."""
        token: str | None = None
        while True:
            found = self.client.search_model_versions(max_results=1000, page_token=token)
            for version in found:
                yield from (str(version.source), *version.tags.values())
            token = found.token
            if not token:
                return

    def _delete(self, model: str, version: int) -> None:
        try:
            self.client.delete_model_version(model, str(version))
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise

    def tag_version(self, model: str, version: str, tags: Mapping[str, str]) -> None:
        for name, value in tags.items():
            self.client.set_model_version_tag(model, version, name, value)

    def set_champion(self, model: str, version: str) -> None:
        self.client.set_registered_model_alias(model, CHAMPION, version)

    def model_version(self, name: ModelName) -> ModelVersion | None:
        """The registered version behind `name@champion` or `name@3`; None if there is none."""
        try:
            if name.version == CHAMPION:
                return self.client.get_model_version_by_alias(name.name, CHAMPION)
            return self.client.get_model_version(name.name, name.version)
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise

    def champion(self, model: str) -> Champion | None:
        """Who serves now; None before the first promotion. Raises ConfigError where someone else's version serves."""
        version = self.model_version(ModelName(model, CHAMPION))
        if version is None:
            return None
        if BUNDLE_TAG not in version.tags:
            raise ConfigError(
                f"MLflow: {model}@{CHAMPION} is version {version.version}, which Visionloop did not register (it has no tag "
                f"{BUNDLE_TAG}); give the alias to a version that has one, or delete the alias"
            )
        return Champion(str(version.version), version.tags[BUNDLE_TAG])
