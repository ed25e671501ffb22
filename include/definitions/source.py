"""Where labels come from: include/sources/<name>.yaml → DAG labels__<name>."""

from __future__ import annotations

from typing import ClassVar, Literal, Self, get_args

from pydantic import Field, ValidationError, model_validator

from include.definitions.base import Definition, Section
from include.labelling.connector import ServiceKind, settings_of

FileKind = Literal["coco", "yolo", "voc", "cvat_xml", "datumaro", "imagenet"]
SourceKind = Literal[FileKind, ServiceKind]

# each look at Labelbox is an export job that its servers run: its API documents no cheaper list of what changed
EVERY_S = {"labelbox": 300.0}


class SourceDefinition(Definition):
    """A labelling service's project (`service`), or a bucket prefix into which deliveries are put (`prefix`)."""

    noun: ClassVar[str] = "source"
    folder: ClassVar[str] = "sources"

    kind: SourceKind
    prefix: str | None = Field(default=None, pattern=r"[^/]", description="files: key prefix below the store, e.g. inbox/trees")
    service: Section | None = Field(default=None, description="services: see include/labelling/<kind>/connector.py")
    poll_every_s: float = Field(
        default_factory=lambda said: EVERY_S.get(said.get("kind"), 60.0),
        gt=0,
        description="seconds between two looks at the source",
    )
    sweep: str = Field(default="30 1 * * *", description="cron: list the source even if no event came")
    min_new_images: int = Field(default=1, ge=1, description="a run starts when so many images wait to be taken in …")
    max_wait_s: float = Field(default=3600, ge=0, description="… or when the first of them has waited so long")
    quiet_after_h: float | None = Field(
        default=72, gt=0, description="hours without a new label after which on-call is told (a weekend is no alert); null: never"
    )
    ingest_labels: Section = Field(default_factory=dict)
    validate_annotations: Section = Field(default_factory=dict)
    return_labels: Section | None = Field(
        default=None, description="of services: rejected labels are given back to who drew them; null: they are not"
    )

    spot_check: Section | None = Field(
        default=None, description="a sample of each batch's accepted labels for a person to look at; null: none is drawn"
    )

    @property
    def is_service(self) -> bool:
        return self.kind in get_args(ServiceKind)

    @model_validator(mode="after")
    def _has_its_place(self) -> Self:
        if self.is_service:
            if self.prefix is not None or self.service is None:
                raise ValueError(f"kind {self.kind} is a service: expected a section `service` and no `prefix`")
            try:
                settings_of(self.kind, self.service)
            except ValidationError as error:
                said = "; ".join(f"service.{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
                raise ValueError(said) from None
        elif self.return_labels is not None:
            raise ValueError(f"kind {self.kind} is files in the bucket: nobody takes labels back; leave return_labels out")
        elif self.prefix is None or self.service is not None:
            raise ValueError(f"kind {self.kind} is files in the bucket: expected `prefix` and no section `service`")
        return self
