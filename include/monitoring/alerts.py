"""An alert, and the way to whoever include/alerting/ names. Addresses: https://github.com/caronc/apprise/wiki"""

from __future__ import annotations

import json
import logging
import os
from dataclasses import asdict, dataclass

from include.definitions import AlertRoute, DatasetDefinition, ModelDefinition, Severity, read_definitions
from include.definitions.files import DefinitionT
from include.errors import ConfigError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Alert:
    """`at`: ISO 8601, UTC. `models`: whom it concerns; none for what concerns no model."""

    severity: Severity
    title: str
    text: str
    models: tuple[str, ...]
    at: str

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Alert:
        known = json.loads(data)
        return cls(**known | {"models": tuple(known["models"])})


def _good(kind: type[DefinitionT]) -> list[DefinitionT]:
    return [found for _, found in read_definitions(kind) if not isinstance(found, ConfigError)]


def models_of(dag_id: str) -> tuple[str, ...]:
    """Of labels__<source> and dataset__<dataset>, the models that wait for them; of what is nobody's own, all."""
    kind, _, name = dag_id.partition("__")
    models = _good(ModelDefinition)
    if kind == "labels":
        datasets = {one.name for one in _good(DatasetDefinition) if name in one.sources}
    elif kind == "dataset" and name:
        datasets = {name}
    elif name:
        return (name,)
    else:
        return tuple(one.name for one in models)
    return tuple(one.name for one in models if one.dataset in datasets)


def routes_for(alert: Alert) -> list[AlertRoute]:
    """The definitions that want this alert."""
    return [
        route
        for route in _good(AlertRoute)
        if alert.severity in route.severities and (not route.models or set(route.models) & set(alert.models))
    ]


def problems() -> list[str]:
    """Why somebody may not be told: a file that is wrong, an address that is missing or is none."""
    import apprise

    found = [str(one) for _, one in read_definitions(AlertRoute) if isinstance(one, ConfigError)]
    routes = _good(AlertRoute)
    if not routes and not found:
        found.append("include/alerting/: got no file, expected at least one: nobody is told of anything")
    for route in routes:
        where, urls = f"include/alerting/{route.name}.yaml", _urls(route)
        if not urls:
            found.append(f"{where}: {route.urls_in} is not set: set it to Apprise URLs separated by spaces, or nobody is told")
        # by its place and its kind: the rest of a URL is a secret
        found += [
            f"{where}: {route.urls_in}: address {place} ({_kind(url)}) is no Apprise URL; "
            "https://github.com/caronc/apprise/wiki has how to write one"
            for place, url in enumerate(urls, 1)
            if apprise.Apprise.instantiate(url) is None
        ]
    return found


def _kind(url: str) -> str:
    scheme, mark, _ = url.partition("://")
    return f"{scheme}://…" if mark else "without ://"


def send(alert: Alert) -> bool:
    """Whether all routes took it. A route without an address takes nothing, and says so in the log."""
    routes = routes_for(alert)
    if not routes:
        log.warning("nobody is told of %s: no file in include/alerting/ wants it", alert.title)
    return all([_send_to(alert, route) for route in routes])


def _urls(route: AlertRoute) -> list[str]:
    return os.environ.get(route.urls_in, "").split()


def _send_to(alert: Alert, route: AlertRoute) -> bool:
    """No address: nothing to do."""
    import apprise

    kinds = {"critical": apprise.NotifyType.FAILURE, "error": apprise.NotifyType.FAILURE, "warning": apprise.NotifyType.WARNING}
    urls = _urls(route)
    if not urls:
        log.warning("nobody is told by include/alerting/%s.yaml: %s is not set", route.name, route.urls_in)
    destinations = apprise.Apprise()
    usable = [destinations.add(url) for url in urls]
    if not all(usable):
        log.error("include/alerting/%s.yaml: %d of its URLs are not Apprise URLs", route.name, usable.count(False))
    if not len(destinations):
        return not usable
    title = f"[{alert.severity}] {alert.title}"
    told = destinations.notify(title=title, body=alert.text, notify_type=kinds[alert.severity], body_format="text")
    log.log(
        logging.INFO if told else logging.ERROR, "%s: %s %s", route.name, "told of" if told else "could not be told of", title
    )
    return bool(told) and all(usable)
