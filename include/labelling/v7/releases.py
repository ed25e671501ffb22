"""V7's releases: the dataset as it is now, as a zip with a Darwin JSON for each item. Made when it is first asked for."""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from include.errors import BadInputError, ConfigError, Unavailable
from include.labelling.exports import until_made
from include.labelling.patience import AskAgain
from include.labelling.web import Web

if TYPE_CHECKING:
    from include.labelling.v7.connector import Settings

UNPACKED_BYTES_MAX = 2 * 2**30  # of all JSON in a release: more is a mistake, or a zip bomb


class Release:
    """One release for the life of a connector: an intake."""

    def __init__(self, settings: Settings, web: Web) -> None:
        self.settings, self.web = settings, web
        self.name = f"visionloop-{uuid4().hex[:12]}"
        self._archive: zipfile.ZipFile | None = None
        self._members: dict[str, str] = {}  # by item id

    async def document(self, item_id: str) -> Any:
        """Darwin JSON of an item; None where the release has none."""
        if self._archive is None:
            self._archive = await self._made()
            self._members = {
                str(_read(self._archive, name)["item"]["source_info"]["item_id"]): name for name in _names(self._archive)
            }
        name = self._members.get(item_id)
        return None if name is None else _read(self._archive, name)

    async def _made(self) -> zipfile.ZipFile:
        exports = f"v2/teams/{self.settings.team}/datasets/{self.settings.dataset}/exports"
        asked = {"name": self.name, "format": "darwin_json_2", "include_authorship": True, "filters": {"statuses": ["complete"]}}
        try:
            await self.web.ask("POST", exports, json=asked)
        except FileNotFoundError as error:
            raise ConfigError(
                f"{error}; expected V7's dataset {self.settings.dataset!r}: are `team` and `dataset` right?"
            ) from None
        limits = {"limit_s": self.settings.export_limit_s, "every_s": self.settings.export_every_s}
        url = await until_made(lambda: self._state(exports), what=f"V7: release {self.name}", **limits)
        return await self.web.take("GET", url, _opened)

    async def _state(self, exports: str) -> tuple[str, str | None]:
        listed = await self.web.ask("GET", exports)
        found: dict[str, Any] = next((one for one in listed if one.get("name") == self.name), {})
        state = str(found.get("status", "not listed"))
        if state == "failed":
            raise Unavailable(f"V7: release {self.name} failed; another try may do")
        return state, found["download_url"] if state == "complete" else None


def _opened(body: bytes) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(io.BytesIO(body))
    except zipfile.BadZipFile as error:
        raise AskAgain(f"got {len(body)} bytes that are no zip ({error})") from None


def _names(archive: zipfile.ZipFile) -> list[str]:
    """The JSON files; Darwin's own folder `.v7` is about the dataset."""
    found = [one for one in archive.infolist() if one.filename.endswith(".json") and ".v7/" not in one.filename]
    if (size := sum(one.file_size for one in found)) > UNPACKED_BYTES_MAX:
        raise BadInputError(f"V7: a release of {size} bytes of JSON; expected at most {UNPACKED_BYTES_MAX}")
    return [one.filename for one in found]


def _read(archive: zipfile.ZipFile, name: str) -> Any:
    try:
        found = json.loads(archive.read(name))
        found["item"]["source_info"]["item_id"]
        return found
    except (ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise BadInputError(
            f"V7: {name} in a release: expected Darwin JSON 2.0 with item.source_info.item_id, got {error}"
        ) from None
