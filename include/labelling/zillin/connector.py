"""Zillin: an item is an image of a data set; its labels are in the project's export, which is read whole each time.

The export counts its versions (`AnnotationVersion`), but for the project as a whole: an image's revision follows from what the
export says of it, so that one correction is one item. Which images are finished follows from the export's filter: `Accepted`
holds finished images alone.
Unverified: the address of the export and of the images, and the name of the key's header (settings; see the service's
/swagger), how a Rectangle is written (as any other area: WKT), how an export says that its workspace is encrypted.
Zillin calls nobody: it is polled. https://api.zillin.io/export-json-format.html
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import datetime
from typing import Any, ClassVar, Self
from urllib.parse import quote

from pydantic import Field, model_validator

from include.errors import ConfigError
from include.labelling.connector import ServiceSettings
from include.labelling.drawings import to_json
from include.labelling.items import Item, Labelled, Picture, Refused, Status
from include.labelling.patience import AskAgain
from include.labelling.stamps import EPOCH, digest, utc
from include.labelling.web import Web
from include.labelling.zillin import images

# of files that a picture may be; an encrypted one begins with anything
SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"RIFF", b"\0\0\0")


class Settings(ServiceSettings):
    """The project's export, and which of its images are finished work."""

    url: str = Field(default="https://api.zillin.io", pattern=r"^https?://[^/\s]+(/.*)?$")
    export: str = Field(min_length=1, description="path of the project's export (JSON), as the service's /swagger has it")
    image: str | None = Field(
        default=None, description="path of an image's file, with {image_id}; null: only labels are taken, files are missing"
    )
    key_header: str = Field(default="Authorization", description="header that carries the key")
    key_prefix: str = Field(default="Bearer ", description="what stands before the key in it")
    api_version: str = "1.0"
    statuses: tuple[str, ...] = Field(default=("Finished",), description="of an image, in exports that hold unfinished ones too")

    @model_validator(mode="after")
    def _nobody_is_named(self) -> Self:
        if self.annotators is not None:
            raise ValueError("Zillin's export does not say who drew: expected no `annotators`")
        if self.image is not None and "{image_id}" not in self.image:
            raise ValueError(f"image: expected {{image_id}} in it, got {self.image!r}")
        return self


class Connector:
    """See include/labelling/connector.py."""

    signed: ClassVar[bool] = False

    def __init__(self, settings: Settings, web: Web) -> None:
        self.settings, self.web = settings, web
        web.headers = {settings.key_header: f"{settings.key_prefix}{web.token}", "api-version": settings.api_version}

    async def items(self, since: datetime | None) -> AsyncIterator[Item]:
        """All of them, whatever `since`: the export has no time for an image."""
        export = await self._export()
        for data_set, image in _images(export):
            yield self._item(export, data_set, image)

    async def existing(self) -> frozenset[str] | None:
        """None where the export holds only some: an image that is no longer accepted is not deleted."""
        export = await self._export()
        if export.get("DataFilterType") != "Everything":
            return None
        return frozenset(images.image_id(data_set, image) for data_set, image in _images(export))

    async def fetch(self, item: Item) -> Labelled:
        said = item.payload or await self._one(item.id)
        try:
            picture = images.picture(said, self.settings, has_files=self.settings.image is not None)
        except (KeyError, TypeError, AttributeError) as error:
            raise Refused(f"image {item.id}: expected Zillin's image with annotations, got none of {error}") from None
        return Labelled(original=to_json(said).encode(), pictures=(picture,))

    async def image(self, picture: Picture) -> bytes:
        if self.settings.image is None:
            raise FileNotFoundError(f"{picture.name}: `image` is not set")
        data = await self.web.read(self.settings.image.format(image_id=quote(str(picture.address), safe="")))
        if len(data) % 16 == 0 and not data.startswith(SIGNATURES):
            raise ConfigError(_encrypted(f"image {picture.name} is no picture, and has the size of an encrypted one"))
        return data

    @staticmethod
    def is_genuine(secret: bytes, headers: Mapping[str, str], body: bytes) -> bool:
        return False  # Zillin calls nobody

    async def _export(self) -> Mapping[str, Any]:
        try:
            found: Any = await self.web.take("GET", self.settings.export, _parsed)
        except FileNotFoundError as error:
            raise ConfigError(f"{error}; expected the project's export there: is `export` right?") from None
        if not isinstance(found, Mapping) or not isinstance(found.get("DataSets"), list):
            raise ConfigError(f"Zillin: {self.settings.export}: expected an export with DataSets, got {str(found)[:80]!r}")
        if any("encrypt" in key.lower() and found[key] not in (False, None, "") for key in found):
            raise ConfigError(_encrypted("the export says that its workspace is encrypted"))
        return found

    async def _one(self, item_id: str) -> Mapping[str, Any]:
        export = await self._export()
        for data_set, image in _images(export):
            if images.image_id(data_set, image) == item_id:
                return _payload(export, data_set, image)
        raise Refused(f"image {item_id}: not in Zillin's export any more")

    def _item(self, export: Mapping[str, Any], data_set: str, image: Mapping[str, Any]) -> Item:
        state = str(image.get("Status") or export.get("DataFilterType"))
        is_finished = state in self.settings.statuses if image.get("Status") else export.get("DataFilterType") == "Accepted"
        status: Status = "finished" if is_finished else "waiting"
        return Item(
            id=images.image_id(data_set, image),
            revision=digest(status, image, export.get("Tools")),
            status=status,
            state=state,
            updated_at=utc(export.get("VersionGenerated")) or EPOCH,
            payload=_payload(export, data_set, image),
        )


def _images(export: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for data_set in export["DataSets"]:
        for image in data_set.get("Images") or []:
            yield str(data_set.get("DataSetName")), image


def _payload(export: Mapping[str, Any], data_set: str, image: Mapping[str, Any]) -> dict[str, Any]:
    head = {key: value for key, value in export.items() if key not in ("DataSets", "Questions")}
    return {"export": head, "data_set": data_set, "image": dict(image)}


def _parsed(body: bytes) -> Any:
    """Exports begin with a byte order mark. Raises AskAgain: the end may be missing."""
    try:
        return json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise AskAgain(f"got {len(body)} bytes that are not JSON ({error})") from None


def _encrypted(seen: str) -> str:
    return f"Zillin: {seen}; expected a workspace that is not encrypted: we have no key to open it with. Use another workspace"
