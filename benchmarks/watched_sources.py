"""Claim: one triggerer watches 200 sources with less than a tenth of a core and 250 MB more than it needs to watch none.

How: a real embedded stack; the triggerer's processes (user and system time of 2 minutes, and their memory, shared pages counted
once) with no source, with 200 sources of kind coco at the default `poll_every_s` of 60, each a prefix of the S3 server with a
delivery that is taken in, and with the peer: 200 stock AssetWatchers (FileDeleteTrigger) that look at the same pace whether a
local file is there. Each in a stack of its own.

    .venv/cli/bin/python -m benchmarks.watched_sources
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import httpx
import psutil

from cli import services, stack
from cli.home import ROOT, Home, Stack, client_environment
from include.artifacts import Delivery, LabelBatch
from include.labelling.items import Item
from include.labelling.sources import open_source
from include.storage import Store, open_store
from tests.cli.cards import X, made

SOURCES = 200
POLL_S = 60
MEASURED_S, SETTLING_S, WITHIN_S = 120.0, 40.0, 300
CPU_BOUND, MEMORY_BOUND_MB = 0.1, 250.0
SOURCE = "owner: us\nkind: coco\nprefix: inbox/s{0}\n"


def take_in(store: Store, source: str) -> None:
    """A delivery, and the card of the batch that has it: so there is nothing to do."""
    store.write(f"inbox/{source}/d/annotations.json", b"{}")

    async def listed() -> list[Item]:
        connector = open_source(store, source, "coco", f"inbox/{source}", None, None)
        return [item async for item in connector.items(None)]

    deliveries = [
        Delivery(item=item.id, name=item.called, revision=item.revision, state=item.state, updated_at=item.updated_at, original=X)
        for item in asyncio.run(listed())
    ]
    assert len(deliveries) == 1
    batch = LabelBatch(
        made_by=made("ingest_labels"), inputs={}, config={}, source=source, batch_id="0" * 16, deliveries=tuple(deliveries),
        images_table=X, annotations_table=X, images=1, annotations=0,
    )  # fmt: skip
    store.write(f"labels/{source}/batches/{batch.batch_id}.json", batch.to_bytes())


def triggerer(home: Home) -> list[psutil.Process]:
    """Its processes, the first one first."""
    found = [one for one in stack.leftovers(home) if "triggerer" in " ".join(one.cmdline())]
    return sorted(found, key=lambda one: one.create_time())


def watching(running: Stack) -> float:
    """Triggers that run, as the triggerer tells by StatsD."""
    lines = httpx.get(f"{running.url('monitoring')}/metrics", timeout=10).text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("airflow_triggers_running{"))


def until(running: Stack, expected: int) -> None:
    """Wait for so many triggers. Exits if they do not come."""
    deadline = time.monotonic() + WITHIN_S
    while (now := watching(running)) != expected:
        if time.monotonic() > deadline:
            sys.exit(f"{now:.0f} triggers after {WITHIN_S} s, expected {expected}")
        time.sleep(2)


def measure(folder: Path, name: str, expected: int, dag_file: Path | None = None) -> tuple[float, float]:
    """Share of a core, and MB: of a stack of this name, whose only DAG file this is."""
    dags, home = folder / "dags", Home(folder / name)
    shutil.rmtree(dags, ignore_errors=True)
    dags.mkdir()
    try:
        running = stack.up(home)
        os.environ.update(client_environment(home, running))
        if dag_file is not None:
            deliver(folder / "definitions" / "sources")
            shutil.copy(dag_file, dags)
        until(running, expected)
        time.sleep(SETTLING_S)
        processes = triggerer(home)

        def cpu_s() -> float:
            return sum(sum(one.cpu_times()[:2]) for one in processes)

        before, began = cpu_s(), time.monotonic()
        time.sleep(MEASURED_S)
        share = (cpu_s() - before) / (time.monotonic() - began)
        assert watching(running) == expected
        return share, sum(one.memory_full_info().pss for one in processes) / 1e6
    finally:
        stack.down(home)


def deliver(sources: Path) -> None:
    """Definitions of sources that have a delivery each, which is taken in."""
    store = open_store("s3://visionloop")
    for number in range(SOURCES):
        take_in(store, f"s{number}")
        (sources / f"s{number}.yaml").write_text(SOURCE.format(number))


def main() -> None:
    """The table; exit 1 if a bound is missed."""
    ours = services.airflow_environment
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "definitions" / "sources").mkdir(parents=True)
        os.environ["VISIONLOOP_DEFINITIONS"] = str(folder / "definitions")
        settings = {"AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"), "BENCHMARK_SOURCES": str(SOURCES)}
        settings["BENCHMARK_POLL_S"] = str(POLL_S)
        services.airflow_environment = lambda *where: ours(*where) | settings
        none = measure(folder, "none", 0)
        many = measure(folder, "many", SOURCES, ROOT / "dags" / "labels.py")
        peer = measure(folder, "peer", SOURCES, ROOT / "benchmarks" / "watched_dags" / "stock.py")
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; the triggerer's processes, over {MEASURED_S:.0f} s")
    said = {"no source": none, f"{SOURCES} sources": many, f"{SOURCES} stock watchers of a file (peer)": peer}
    for what, (share, memory_mb) in said.items():
        print(f"{what:<40}{share:>7.1%} of a core{memory_mb:>8.0f} MB")
    print(f"for {SOURCES} sources: {many[0] - none[0]:.1%} of a core (bound {CPU_BOUND:.0%}), ", end="")
    print(f"{many[1] - none[1]:.0f} MB (bound {MEMORY_BOUND_MB:.0f})")
    sys.exit(many[0] - none[0] > CPU_BOUND or many[1] - none[1] > MEMORY_BOUND_MB)


if __name__ == "__main__":
    main()
