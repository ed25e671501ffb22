"""The forms behind Airflow's *Trigger* button."""

from __future__ import annotations

from airflow.sdk import Param

from include.definitions import ModelDefinition

DEFAULT_EPOCHS = 40  # where a model's definition names none; tasks/train_detector/config.py has the same
CHOSEN = {"epochs": "{{ params.epochs }}", "warm_start": "{{ params.warm_start }}"}
FORCED = {"force_broken": "{{ params.force_broken }}"}


def training_form(model: ModelDefinition) -> dict[str, Param]:
    """What a person may choose for one run; the defaults are the definition's."""
    section = model.train_detector
    return {
        "dataset_version": Param(
            "latest",
            type="string",
            pattern="^(latest|v[1-9][0-9]*)$",
            title="Dataset version",
            description_md=f"`latest` (fixed when the run first reads it), or a version of **{model.dataset}** such as `v3`.",
        ),
        "epochs": Param(
            section.get("epochs", DEFAULT_EPOCHS),
            type="integer",
            minimum=1,
            maximum=10_000,
            title="Epochs",
            description_md="Passes over the data.",
        ),
        "warm_start": Param(
            section.get("warm_start", "champion"),
            type="string",
            enum=["champion", "none"],
            title="Warm start",
            description_md="`champion`: begin with the champion's weights. `none`: from scratch.",
        ),
        "force_broken": Param(
            section.get("force_broken", False),
            type="boolean",
            title="Use a broken version",
            description_md="Train and score although an audit found the version damaged. Card and MLflow run will say so.",
        ),
    }


def again_form() -> dict[str, Param]:
    """Which batch is checked again, and why it may teach whatever stops it."""
    return {
        "batch": Param(
            type="string",
            pattern="^[0-9a-f]+$",
            title="Batch",
            description_md="Its id: the message of the task that was stopped names it.",
        ),
        "let_through_because": Param(
            "",
            type="string",
            title="Let it through, because …",
            description_md="Empty: the rules decide, as they are now. Else the batch teaches; its card says who let it, and why.",
        ),
    }


LET_THROUGH = {"let_through_because": "{{ params.let_through_because }}"}


def audit_form() -> dict[str, Param]:
    """Which versions an audit looks at, and how closely."""
    return {
        "dataset": Param(
            "",
            type="string",
            pattern="^([a-z][a-z0-9_-]*)?$",
            title="Dataset",
            description_md="Only the versions of this one; empty: of all.",
        ),
        "deep": Param(
            False,
            type="boolean",
            title="Read everything",
            description_md="Also what the bucket's listing proves: finds rot beneath the server, and takes its time.",
        ),
    }


AUDITED = {"dataset": "{{ params.dataset }}", "deep": "{{ params.deep }}"}
