"""The embedded stack's services, for supervisord to keep alive: SeaweedFS (S3), MLflow, Airflow's four components, metrics."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from cli.home import GRADES, ROOT, Home, Stack, client_environment

MARK = "VISIONLOOP_STACK"  # in the environment of every process of a stack: how `down` finds what outlived its parent


@dataclass(frozen=True)
class Service:
    """One supervised process. `ready` is the URL that answers below 500 when it can serve."""

    name: str
    command: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    ready: str | None = None
    stop_wait_s: int = 10


def seaweedfs(home: Home, stack: Stack) -> Service:
    """An S3 server on loopback whose data is in <home>/s3."""
    data, ports = home.path / "s3", stack.ports
    data.mkdir(parents=True, exist_ok=True)
    credentials = [{"accessKey": stack.s3_access_key, "secretKey": stack.s3_secret_key}]
    identity = {"name": "visionloop", "credentials": credentials, "actions": ["Admin", "Read", "Write", "List", "Tagging"]}
    config = home.path / "s3.json"
    config.touch(mode=0o600)
    config.write_text(json.dumps({"identities": [identity]}))
    flags = {
        "dir": data,
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "bucket": "visionloop",
        "s3.config": config,
        "s3.port": ports["s3"],
    }
    flags |= {"s3.port.grpc": ports["s3_grpc"], "s3.port.iceberg": 0, "s3.port.lance": 0, "webdav": "false", "admin.ui": "false"}
    flags["master.telemetry"] = "false"  # it is on unless turned off
    for part in ("master", "volume", "filer"):  # gRPC ports default to http + 10000, which may be taken
        flags |= {f"{part}.port": ports[part], f"{part}.port.grpc": ports[f"{part}_grpc"]}
    weed = str(home.venvs / "cli" / "bin" / "weed")
    command = (weed, "-logtostderr=true", "mini", *(f"-{name}={value}" for name, value in flags.items()))
    return Service("s3", command, ready=stack.url("s3"))


def mlflow(home: Home, stack: Stack) -> Service:
    """MLflow's tracking server and registry, on SQLite in <home>/mlflow.db."""
    command = (
        str(home.venvs / "mlflow" / "bin" / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(stack.ports["mlflow"]),
        "--backend-store-uri", f"sqlite:///{home.path}/mlflow.db", "--default-artifact-root", "s3://visionloop/mlflow",
        "--no-serve-artifacts", "--workers", "1",
    )  # fmt: skip
    # Without its job runner: 2 processes and 385 MB instead of 10 and 1.75 GB
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    return Service("mlflow", command, quiet, ready=f"{stack.url('mlflow')}/health")


def airflow_environment(home: Home, stack: Stack) -> dict[str, str]:
    """Settings that all of Airflow's components share."""
    passwords = home.airflow / "passwords.json"
    return {
        "AIRFLOW_HOME": str(home.airflow),
        "PYTHONPATH": str(ROOT),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "4",  # near the core count: 32 idle workers cost memory and time
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__FERNET_KEY": stack.fernet_key,
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{stack.url('airflow')}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:{grade}" for name, grade in GRADES.items()),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home.airflow}/airflow.db",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(stack.ports["airflow"]),
        "AIRFLOW__API__BASE_URL": stack.url("airflow"),
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API_AUTH__JWT_SECRET": stack.jwt_secret,
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",  # a lost worker is noticed within a minute and a half
        "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "20",  # and a lost scheduler's tasks within a minute, not five
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",  # 5 s by default, and a task's end often waits for it
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW__METRICS__STATSD_ON": "True",
        "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
        "AIRFLOW__METRICS__STATSD_PORT": str(stack.ports["statsd"]),
        "AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED": "True",  # labels as tags, not in the name
        "AIRFLOW__METRICS__LEGACY_NAMES_ON": "False",  # each number once
        "AIRFLOW__METRICS__STATSD_CUSTOM_CLIENT_PATH": "visionloop_airflow.statsd_client.StatsdClient",  # finds who comes late
    }


def monitoring(home: Home, stack: Stack) -> Service:
    """Metrics for whoever has a Prometheus, at /metrics."""
    command = (str(home.venvs / "airflow" / "bin" / "python"), "-m", "include.monitoring")
    settings = {
        "PYTHONPATH": str(ROOT),
        "VISIONLOOP_AIRFLOW_URL": stack.url("airflow"),
        "VISIONLOOP_MONITORING_PORT": str(stack.ports["monitoring"]),
        "VISIONLOOP_MONITORING_STATSD_PORT": str(stack.ports["statsd"]),
    }
    return Service("monitoring", command, settings, ready=f"{stack.url('monitoring')}/healthz")


def airflow(home: Home, stack: Stack, needed: Iterable[str | None] = ()) -> list[Service]:
    """api-server, scheduler, dag-processor and triggerer. The scheduler waits for the api-server and what else is `needed`."""
    home.airflow.mkdir(parents=True, exist_ok=True)
    passwords = home.airflow / "passwords.json"
    passwords.touch(mode=0o600)
    passwords.write_text(json.dumps(stack.others | {"admin": stack.password}))
    program, shared = str(home.venvs / "airflow" / "bin" / "airflow"), airflow_environment(home, stack)
    health = f"{stack.url('airflow')}/api/v2/monitor/health"
    urls = (health, *(url for url in needed if url))
    first = (str(home.venvs / "cli" / "bin" / "python"), "-m", "cli.when_ready", *urls, "--")
    return [
        Service("api-server", (program, "api-server"), shared, ready=health),
        # SIGTERM makes the scheduler wait for its running tasks; steps outlive it anyway and are found again
        Service("scheduler", (*first, program, "scheduler", "--skip-serve-logs"), shared, stop_wait_s=5),
        Service("dag-processor", (program, "dag-processor"), shared),
        Service("triggerer", (program, "triggerer", "--skip-serve-logs"), shared),
    ]


def all_services(home: Home, stack: Stack) -> list[Service]:
    stores = [seaweedfs(home, stack), mlflow(home, stack)]
    return [*stores, *airflow(home, stack, [one.ready for one in stores]), monitoring(home, stack)]


def _quoted(environment: dict[str, str]) -> str:
    escaped = {name: value.replace("%", "%%").replace('"', '\\"') for name, value in environment.items()}
    return ",".join(f'{name}="{value}"' for name, value in escaped.items())


def supervisor_config(home: Home, stack: Stack) -> Path:
    """Write supervisord.conf: every service restarted when it dies, its whole process group ended with it."""
    # SPT_NOENV: Airflow's process titles would overwrite the environment that the mark is in
    shared = client_environment(home, stack) | {MARK: str(home.path), "SPT_NOENV": "1"}
    lines = [
        "[supervisord]", f"pidfile={home.path}/supervisord.pid", f"logfile={home.logs}/supervisord.log",
        f"childlogdir={home.logs}", f"directory={ROOT}", "",
    ]  # fmt: skip
    for service in all_services(home, stack):
        lines += [
            f"[program:{service.name}]", f"command={' '.join(service.command)}".replace("%", "%%"),
            f"environment={_quoted(shared | service.environment)}", "autorestart=true", "startretries=1000000",
            "stopasgroup=true", "killasgroup=true", f"stopwaitsecs={service.stop_wait_s}", "redirect_stderr=true",
            f"stdout_logfile={home.logs}/{service.name}.log", "stdout_logfile_maxbytes=20MB", "stdout_logfile_backups=1", "",
        ]  # fmt: skip
    orphans = f"{home.venvs}/cli/bin/python -m cli.orphans"
    lines += [
        "[eventlistener:orphans]",
        f"command={orphans}".replace("%", "%%"),
        "events=PROCESS_STATE_EXITED,PROCESS_STATE_BACKOFF",
    ]
    lines += [f"stderr_logfile={home.logs}/orphans.log", ""]
    path = home.path / "supervisord.conf"
    path.touch(mode=0o600)
    path.write_text("\n".join(lines))
    return path
