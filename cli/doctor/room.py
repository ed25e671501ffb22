"""The machine: disk, memory, ports, and what a killed command left lying."""

from __future__ import annotations

import fcntl
import shutil
from contextlib import suppress
from pathlib import Path

import psutil

from cli import stack as stacks
from cli.doctor.finding import Finding, fail, ok, warn
from cli.home import Home, StackError, is_free
from cli.place import Place
from cli.team import dotenv, machine

GB = 10**9
DISK_FAIL_GB, DISK_WARN_GB = 1.0, 5.0
FREE_MEMORY_WARN_GB = 1.0
ROOM = "make room, for example with `docker system prune` or by removing old logs"


def disk(place: Place) -> list[Finding]:
    """Where the stack keeps its data, as far as this machine sees it."""
    folders = [place.folder]
    if place.runtime == "docker":
        with suppress(StackError):  # engine.py tells
            folders.append(Path(machine.docker("info", "--format", "{{.DockerRootDir}}").strip()))
    return [_disk(folder) for folder in folders if folder.exists()]


def _disk(folder: Path) -> Finding:
    usage = shutil.disk_usage(folder)
    found = f"{usage.free / GB:.1f} of {usage.total / GB:.1f} GB are free at {folder}"
    if usage.free < DISK_FAIL_GB * GB:
        return fail("disk", found, ROOM)
    return warn("disk", found, ROOM) if usage.free < DISK_WARN_GB * GB else ok("disk", found)


def memory(place: Place) -> list[Finding]:
    """What is there; in a running stack little may be free."""
    there = psutil.virtual_memory()
    found = f"{there.available / GB:.1f} of {there.total / GB:.1f} GB are available"
    if place.is_team and there.total < machine.MIN_MEMORY_GB * GB:
        return [
            fail("memory", f"{found}; the stack needs {machine.MIN_MEMORY_GB}", "use a larger machine, or the embedded stack")
        ]
    if there.available < FREE_MEMORY_WARN_GB * GB:
        return [warn("memory", found, "end what is not needed, or give the machine more: steps will be killed at their limits")]
    return [ok("memory", found)]


def ports(place: Place) -> list[Finding]:
    """Of a stack that is not running: are they free? Of one that is, its servers' answers tell."""
    if place.is_team:
        try:
            ours = machine.docker("ps", "--filter", f"label=com.docker.compose.project={place.project}", "--format", "{{.Ports}}")
            machine.check_ports(dotenv.read(dotenv.path()), ours)
        except StackError as error:
            return [] if "port" not in str(error) else [fail("ports", str(error), "as it says; then `make up`")]
        return [ok("ports", "free, or held by this stack")]
    home = Home(place.folder)
    if stacks.supervisor(home) is not None:
        return [ok("ports", "held by this stack")]
    taken = {name: port for name, port in home.stack().ports.items() if not is_free(port)}
    if not taken:
        return [ok("ports", "free")]
    said = ", ".join(f"{port} ({name})" for name, port in taken.items())
    return [warn("ports", f"held by another program: {said}", f"end it, or let `{place.up}` move the service to another port")]


def leftovers(place: Place) -> list[Finding]:
    """Of the embedded stack: a lock that is held, processes without a supervisor."""
    if place.is_team:
        return []
    home = Home(place.folder)
    lock = home.path / "lock"
    if lock.exists():
        with open(lock) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                who = lock.read_text().strip()
                remedy = f"wait for it, or end process {who} if it hangs"
                return [warn("lock", f"process {who} is starting or stopping this stack", remedy)]
    if stacks.supervisor(home) is None and (left := list(stacks.leftovers(home))):
        return [
            fail("lock", f"{len(left)} processes of this stack run without its supervisor", "`./visionloop down`, then up again")
        ]
    return [ok("lock", "no other command is starting or stopping this stack")]
