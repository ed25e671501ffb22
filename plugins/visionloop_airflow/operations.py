"""What people do with dataset versions from Airflow: the form of each operation, and what the form's answers become.

Values reach the step as they were typed in: the DAGs render templates as native objects, so a list stays a list.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from airflow.sdk import Context, Param

from include.versions.operations.kinds import KINDS

VERSION = r"[a-z0-9_-]+:[a-z][a-z0-9_-]*"
NAMED = "`trees:v3`, `trees:latest` or an alias such as `trees:golden`"
OF_PARENT = "{{ params.name or params.version.split(':')[0] }}"
KIND_NAMES = [str(kind.model_fields["kind"].annotation.__args__[0]) for kind in KINDS]  # type: ignore[union-attr]


def version(title: str = "Version") -> Param:
    return Param(type="string", pattern=f"^{VERSION}$", title=title, description_md=NAMED)


def name(otherwise: str) -> Param:
    return Param(
        None, type=["null", "string"], pattern="^[a-z][a-z0-9_-]*$", title="Name",
        description_md=f"The dataset that gets the new version. Empty: {otherwise}.",
    )  # fmt: skip


def where() -> Param:
    said = "One condition a line, all must hold: `site == north`, `width_px >= 640`, `annotator in ann,bob`, `split != test`."
    return Param(type="array", items={"type": "string"}, minItems=1, title="Where", description_md=said)


def one_of(choices: list[str], title: str, said: str) -> Param:
    return Param(choices[0], type="string", enum=choices, title=title, description_md=said)


def an_object(title: str, said: str) -> Param:
    return Param({}, type="object", title=title, description_md=said)


def parameters_of_kinds() -> str:
    """A list of all kinds with their parameters, from the models that check them."""
    lines = []
    for kind_name, kind in zip(KIND_NAMES, KINDS, strict=True):
        fields = {key: field for key, field in kind.model_fields.items() if key != "kind"}
        told = [f"`{key}`" + (f" ({field.description})" if field.description else "") for key, field in fields.items()]
        lines.append(f"- **{kind_name}**: {(kind.__doc__ or '').split(chr(10) * 2)[0]} Parameters: {', '.join(told)}")
    return "\n".join(lines)


@dataclass(frozen=True)
class Operation:
    """`parents`, `new_name` and `do` are templates over `params`, the form's answers."""

    name: str
    description: str
    params: dict[str, Param]
    do: Any
    parents: str = "{{ params.version }}"
    new_name: str = OF_PARENT

    @property
    def doc(self) -> str:
        """The DAG's page."""
        return (
            f"# dataset_{self.name}: {self.description}\n\n**When**: only by hand: press *Trigger* and fill in the form.\n"
            "**Then**: the model DAGs that train on the dataset start. No version that stands is changed.\n"
            "**Grey (skipped)**: nothing would change.\n"
            "**Red**: the failed task's last log line says which answer of the form is wrong.\n"
            "**See**: *Dataset card*, *Near duplicates* and (merge) *Report* on `derive_dataset`; in a terminal "
            f"`./visionloop dataset {self.name} --help`."
        )

    @property
    def form(self) -> dict[str, Param]:
        said = "Pictures in different splits that look the same. report: the version is made, its card tells how many."
        return self.params | {"near_duplicates": one_of(["block", "report", "off"], "Near duplicates", said)}

    @property
    def config(self) -> dict[str, Any]:
        return {"name": self.new_name, "do": self.do, "near_duplicates": {"action": "{{ params.near_duplicates }}"}}


KEEP = {"version": version(), "where": where(), "name": name("the version's own dataset")}
OPERATIONS = (
    Operation("filter", "keep only what meets conditions", KEEP, {"operation": "filter", "where": "{{ params.where }}"}),
    Operation("exclude", "leave out what meets conditions", KEEP, {"operation": "exclude", "where": "{{ params.where }}"}),
    Operation(
        "merge",
        "one version from several",
        {
            "versions": Param(
                type="array", items={"type": "string", "pattern": f"^{VERSION}$"}, minItems=2, title="Versions",
                description_md=f"One a line: {NAMED}. Their order is that of *first* and *last*.",
            ),
            "labels": one_of(["last", "first", "union", "error"], "Labels", "Whose stand on an image of several versions."),
            "splits": one_of(["protect", "error"], "Splits", "protect: test before val before train."),
            "map": an_object("Classes", 'Old class → new, or null to drop its boxes: `{"car": "vehicle", "bus": null}`.'),
            "map_of": an_object("Classes of one version", 'Goes before *Classes*: `{"signs:v2": {"pole": "post"}}`.'),
            "name": name("the first version's own dataset"),
        },
        {"operation": "merge"} | {key: f"{{{{ params.{key} }}}}" for key in ("labels", "splits", "map", "map_of")},
        parents="{{ params.versions | join(',') }}",
        new_name="{{ params.name or params.versions[0].split(':')[0] }}",
    ),
    Operation(
        "transform",
        "every image, or every box, changed",
        {
            "version": version(),
            "kind": one_of(KIND_NAMES, "Kind", "What is done."),
            "parameters": an_object("Parameters", f'Of the kind, such as `{{"size_px": 512}}`.\n\n{parameters_of_kinds()}'),
            "name": name("`<dataset>-<kind>`"),
        },
        {"operation": "transform", "how": "{{ dict(params.parameters, kind=params.kind) }}"},
        new_name="{{ params.name or params.version.split(':')[0] ~ '-' ~ params.kind }}",
    ),
    Operation(
        "adopt",
        "a version from files that are in the bucket already",
        {
            "prefix": Param(type="string", minLength=1, title="Prefix", description_md="The folder of the files in the bucket."),
            "parameters": an_object("Parameters", "What else `adopt` is told: `./visionloop dataset adopt --help`."),
            "name": Param(type="string", pattern="^[a-z][a-z0-9_-]*$", title="Name", description_md="The dataset that gets it."),
        },
        "{{ dict(params.parameters, operation='adopt', prefix=params.prefix) }}",
        parents="",
        new_name="{{ params.name }}",
    ),
)  # fmt: skip

ALIAS = {
    "version": version(),
    "alias": Param(type="string", pattern="^[a-z][a-z0-9_-]*$", title="Alias", description_md="such as `golden` or `production`"),
    "reason": Param("", type="string", title="Reason", description_md="Kept in the alias's history."),
}


def move_alias(context: Context) -> None:
    """Point the form's alias at the form's version. Only the store is needed, so it is no step."""
    from include.artifacts import DatasetVersion
    from include.step.step_run import resolve_dataset
    from include.storage import open_store
    from include.versions import aliases
    from visionloop_airflow.step_job import started_by

    store, params = open_store(os.environ["VISIONLOOP_STORE"]), context["params"]
    card = DatasetVersion.load(store, resolve_dataset(store, params["version"]))
    aliases.move(store, card.name, params["alias"], card.version, started_by(context), params["reason"])
