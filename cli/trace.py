"""`visionloop trace`: from a registered model back to the label deliveries, card by card."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.tree import Tree

from cli.home import say
from cli.summary import outcome
from include.artifacts import KINDS, Card, LabelBatch
from include.errors import BadInputError
from include.lineage import BUNDLE_TAG, Lineage
from include.storage import Store, open_store
from include.storage.addresses import ModelName


@dataclass
class Link:
    """A card and what it was made from."""

    address: str
    card: Card
    sources: list[Link] = field(default_factory=list)


def load_any(store: Store, address: str) -> Card:
    """A card of whatever kind lies at `address`."""
    data = store.read(address)
    return KINDS[json.loads(data)["kind"]].from_bytes(data, address)


def chain(store: Store, address: str, seen: set[str] | None = None) -> Link:
    """The card at `address` with everything behind it; a card met before is named, not opened again."""
    seen = set() if seen is None else seen
    link = Link(address, load_any(store, address))
    for inputs in link.card.inputs.values():
        for one in inputs:
            if one.address not in seen:
                seen.add(one.address)
                link.sources.append(chain(store, one.address, seen))
    return link


def as_dict(link: Link) -> dict[str, Any]:
    card = {"kind": link.card.kind, **link.card.model_dump(mode="json")}
    return {"address": link.address, "card": card, "made_from": [as_dict(source) for source in link.sources]}


def _label(link: Link) -> str:
    made = link.card.made_by
    cost = f"{made.duration_s:.0f} s  {made.cost.amount:.4f} {made.cost.currency}"
    code = f"code {made.git_commit[:12]}  {made.environment[:24]}  {cost}"
    who = f"{made.dag_id} {made.run_id}, started by {made.started_by}"
    text = f"{link.card.kind}  {outcome(link.card)}\n  {link.address}\n  {who}\n  {code}"
    if isinstance(link.card, LabelBatch):
        text += "".join(f"\n  delivery {one.item}  {one.annotations} boxes" for one in link.card.deliveries)
    return text


def _grow(tree: Tree, link: Link) -> Tree:
    branch = tree.add(_label(link))
    for source in link.sources:
        _grow(branch, source)
    return tree


def show_trace(model: str, as_json: bool) -> None:
    """Print the chain. Raises BadInputError where there is no such version."""
    lineage, name = Lineage(), ModelName.parse(model)
    version = lineage.model_version(name)
    if version is None:
        raise BadInputError(f"{name.name}@{name.version}: MLflow has no such version; `{lineage.uri}` lists what there is")
    link = chain(open_store(os.environ["VISIONLOOP_STORE"]), version.tags[BUNDLE_TAG])
    if as_json:
        say(json.dumps({"model": name.name, "version": version.version, "chain": as_dict(link)}, indent=1))
        return
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = 1000  # a pipe has no width: nothing is wrapped or cut
    console.print(_grow(Tree(f"{name.name} version {version.version}"), link))
