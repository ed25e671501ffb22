"""The connector of a source, whatever its kind: a service, or files in the bucket."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, cast, get_args

from include.errors import ConfigError
from include.labelling.connector import Connector, ServiceKind, connect
from include.labelling.web import Web
from include.storage import Store

TOKEN = "VISIONLOOP_LABELS_TOKEN"
WEBHOOK_SECRET = "VISIONLOOP_WEBHOOK_SECRET"


def of_source(variable: str, source: str) -> str:
    """The name of a source's own variable."""
    return f"{variable}__{source.upper().replace('-', '_')}"


def webhook_secret(source: str) -> bytes | None:
    """What the source's service signs its webhooks with; None where there is none: nobody can call then."""
    return os.environ.get(of_source(WEBHOOK_SECRET, source), "").encode() or None


def token_of(source: str) -> str:
    """The secret of a source's service: of the step's own environment, where there is one source, or of the whole stack's.

    Raises ConfigError that says which variable to set.
    """
    own = of_source(TOKEN, source)
    token = os.environ.get(own) or os.environ.get(TOKEN)
    if not token:
        raise ConfigError(f"source {source}: no token for its labelling service; set {own} in the environment of the stack")
    return token


def web_for(source: str, service: Mapping[str, Any], patience_s: float = 180) -> Web:
    return Web(str(service["url"]), token_of(source), patience_s=patience_s)


def open_source(
    store: Store, source: str, kind: str, prefix: str | None, service: Mapping[str, Any] | None, web: Web | None
) -> Connector:
    """`web`: of a service; None for files."""
    if kind in get_args(ServiceKind):
        assert web is not None
        return connect(kind, service or {}, web)
    from include.labelling.files.connector import FilesConnector

    return cast(Connector, FilesConnector(store, kind, prefix or "", f"labels/{source}/quarantine"))
