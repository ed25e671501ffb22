"""Start, stop and look at the embedded stack."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator

import httpx
import psutil

from cli.containers import end_containers
from cli.home import Home, Stack, StackError, choose_ports, client_environment, say
from cli.services import MARK, Service, airflow_environment, all_services, supervisor_config
from cli.when_ready import answers

READY_WITHIN_S = 300


def supervisor(home: Home) -> psutil.Process | None:
    """The running supervisord of this home, if there is one (a stale pid file is not one)."""
    try:
        process = psutil.Process(int((home.path / "supervisord.pid").read_text()))
        return process if str(home.path) in " ".join(process.cmdline()) else None
    except (FileNotFoundError, ValueError, psutil.Error):
        return None


def leftovers(home: Home) -> Iterator[psutil.Process]:
    """Every process that carries this stack's mark: services, orphaned workers, steps."""
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(MARK) == str(home.path):
                yield process
        except psutil.Error:
            continue


def is_ready(service: Service) -> bool:
    return service.ready is None or answers(service.ready)


def airflow_is_healthy(stack: Stack) -> bool:
    """All four components have sent a heartbeat lately."""
    try:
        health = httpx.get(f"{stack.url('airflow')}/api/v2/monitor/health", timeout=2).json()
    except (httpx.HTTPError, ValueError):
        return False
    return all(
        health.get(part, {}).get("status") == "healthy" for part in ("metadatabase", "scheduler", "dag_processor", "triggerer")
    )


def last_lines(home: Home, service: str, count: int = 5) -> str:
    try:
        return "\n".join((home.logs / f"{service}.log").read_text(errors="replace").splitlines()[-count:])
    except FileNotFoundError:
        return "(no log)"


def migrate(home: Home, stack: Stack) -> None:
    """Make or upgrade Airflow's database."""
    env = os.environ | client_environment(home, stack) | airflow_environment(home, stack) | {MARK: str(home.path)}
    log = home.logs / "migrate.log"
    with open(log, "w") as out:
        done = subprocess.run(
            [home.venvs / "airflow" / "bin" / "airflow", "db", "migrate"], env=env, stdout=out, stderr=subprocess.STDOUT
        )
    if done.returncode != 0:
        raise StackError(f"airflow db migrate failed:\n{last_lines(home, 'migrate')}\nThe whole log: {log}")


def wait_until_ready(home: Home, stack: Stack) -> None:
    """Raises StackError with the tail of the log of what did not come up."""
    started, waiting = time.monotonic(), all_services(home, stack)
    while waiting or not airflow_is_healthy(stack):
        waiting = [service for service in waiting if not is_ready(service)]
        if supervisor(home) is None:
            raise StackError(f"the supervisor ended; its log: {home.logs}/supervisord.log")
        if time.monotonic() - started > READY_WITHIN_S:
            name = waiting[0].name if waiting else "scheduler"
            raise StackError(
                f"{name} is not ready after {READY_WITHIN_S} s; the end of {home.logs}/{name}.log:\n{last_lines(home, name)}"
            )
        time.sleep(0.3)


def up(home: Home) -> Stack:
    """Start what is not running; returns when every service answers."""
    with home.locked():
        if supervisor(home) is not None:
            stack = home.stack()
        else:
            sweep(home)  # what a killed supervisor left behind would hold our ports
            stack = home.stack() if home.stack_file.exists() else Stack()
            for note in choose_ports(stack):
                say(f"  {note}")
            home.save(stack)
            config = supervisor_config(home, stack)
            migrate(home, stack)
            subprocess.run(
                [home.venvs / "cli" / "bin" / "supervisord", "-c", str(config)], check=True, env=_plain_environment(home)
            )
            time.sleep(0.5)  # the daemon writes its pid file after it has left us
    wait_until_ready(home, stack)
    return stack


def _plain_environment(home: Home) -> dict[str, str]:
    """The caller's environment, marked, without what a surrounding Airflow or virtual environment would leak in."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("AIRFLOW") and name not in ("PYTHONPATH", "VIRTUAL_ENV")
    }
    return kept | {MARK: str(home.path)}


def sweep(home: Home, patience_s: float = 3) -> int:
    """End every process that carries the stack's mark. Returns how many there were."""
    found = list(leftovers(home))
    for process in found:
        _signal(process, signal.SIGTERM)
    _, stubborn = psutil.wait_procs(found, timeout=patience_s)
    for process in stubborn:
        _signal(process, signal.SIGKILL)
    psutil.wait_procs(stubborn, timeout=5)
    return len(found)


def _signal(process: psutil.Process, number: int) -> None:
    try:
        process.send_signal(number)
    except psutil.Error:
        return


def down(home: Home) -> int:
    """Stop everything of this stack; data stays. Returns how many processes and containers there were."""
    count = sum(1 for _ in leftovers(home))
    if (keeper := supervisor(home)) is not None:
        _signal(keeper, signal.SIGTERM)
        psutil.wait_procs([keeper], timeout=40)
    count = max(count, sweep(home))
    return count + end_containers(home)  # last: nothing is left that would start one


def show_status(home: Home) -> bool:
    """A line per service; True if all are ready."""
    stack, running = home.stack(), supervisor(home) is not None
    states = {service.name: running and is_ready(service) for service in all_services(home, stack) if service.ready}
    states["airflow's components"] = running and airflow_is_healthy(stack)
    for name, is_well in states.items():
        say(f"  {name:<22} {'ready' if is_well else 'not ready'}")
    return all(states.values())
