"""The engine's proxy: what a step's operator asks for passes, whatever reaches out of a container does not."""

from __future__ import annotations

import json
import re
import subprocess
import time

import httpx
import pytest

from cli.home import ROOT, free_ports
from tests.end_to_end.team import SERVERS, build_servers, docker

pytestmark = pytest.mark.integration
STEP = "model__trees.train_detector.0123456789"
IMAGE = "sha256:" + "ab" * 32  # there is no such image: the engine's own 404 shows that a request came through
# as docker-py writes it: docker_step.py's host configuration
BODY = {
    "Tty": False, "AttachStdout": True, "Env": ["NAME=Jos\u00e9"], "Image": IMAGE, "NetworkDisabled": False,
    "Cmd": ["python", "--config", json.dumps({"user": "x", "mounts": ["/"], "note": "\u00e9"})],
    "HostConfig": {
        "Memory": 2**30, "MemorySwap": 2**30, "ShmSize": 2**26, "ReadonlyRootfs": True, "NetworkMode": "visionloop",
        "CapDrop": ["ALL"], "SecurityOpt": ["no-new-privileges"], "LogConfig": {"Type": "json-file", "Config": {}},
        "Tmpfs": {"/tmp": "rw"}, "Init": True, "NanoCpus": 10**9,
        "DeviceRequests": [{"Driver": "", "Count": 1, "DeviceIDs": [], "Capabilities": [["gpu"]], "Options": {}}],
    },
    "Labels": {"visionloop.step": "train_detector"},
}  # fmt: skip


@pytest.fixture(scope="module")
def proxy():
    """A client of the proxy, as the scheduler has it. Skips where no engine answers."""
    try:
        docker("info")
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"no Docker engine answers: {getattr(error, 'stderr', None) or error}")
    build_servers()
    (port,) = free_ports(1)
    name = f"proxy-{port}"
    docker(
        "run", "--detach", "--rm", "--name", name, "--user", "0:0", "--cap-drop", "ALL", "--read-only",
        "--publish", f"127.0.0.1:{port}:2375", "--env", "STEP_NETWORK=visionloop",
        "--volume", f"{ROOT}/images/docker-proxy/haproxy.cfg:/etc/visionloop/haproxy.cfg:ro",
        "--volume", "/var/run/docker.sock:/var/run/docker.sock",
        SERVERS, "haproxy", "-f", "/etc/visionloop/haproxy.cfg",
    )  # fmt: skip
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                try:
                    client.get("/_ping")
                    break
                except httpx.TransportError:
                    time.sleep(0.2)
            yield client
    finally:
        docker("kill", name)


def refused(answer: httpx.Response) -> bool:
    return answer.status_code == 403 and answer.json()["message"].startswith("docker-proxy:")


def create(proxy: httpx.Client, body: object, name: str = STEP, raw: bytes | None = None) -> httpx.Response:
    content = json.dumps(body).encode() if raw is None else raw
    return proxy.post(f"/v1.41/containers/create?name={name}", content=content, headers={"Content-Type": "application/json"})


@pytest.mark.parametrize("path", ["/_ping", "/version", "/v1.41/version", "/info", "/v1.41/info"])
def test_a_look_at_the_engine_passes(proxy, path):
    assert proxy.get(path).status_code == 200


def test_this_stacks_steps_are_listed_and_no_other_containers(proxy):
    ours = json.dumps({"label": ["visionloop.step", "visionloop.home=/var/lib/visionloop/visionloop"]})
    assert proxy.get("/v1.41/containers/json", params={"all": 1, "filters": ours}).json() == []
    holding_gpus = json.dumps({"label": ["visionloop.gpus"]})
    assert proxy.get("/v1.41/containers/json", params={"filters": holding_gpus}).json() == []
    for filters in (
        {},
        {"filters": "{}"},
        {"filters": json.dumps({"label": ["visionloop.home=/var/lib/visionloop/visionloop2"]})},
    ):
        assert refused(proxy.get("/v1.41/containers/json", params={"all": 1, **filters}))


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"/v1.41/containers/{STEP}/json"),
        ("GET", f"/v1.41/containers/{STEP}/logs?stdout=1&stderr=1&follow=1"),
        ("POST", f"/v1.41/containers/{STEP}/start"),
        ("POST", f"/v1.41/containers/{STEP}/stop?t=10"),
        ("POST", f"/v1.41/containers/{STEP}/wait"),
        ("DELETE", f"/v1.41/containers/{STEP}?force=True&v=True"),
    ],
    ids=lambda value: value.partition("?")[0].rpartition("/")[2],
)
def test_what_is_done_to_a_step_reaches_the_engine(proxy, method, path):
    answer = proxy.request(method, path)
    assert (answer.status_code, answer.json()["message"]) == (404, f"No such container: {STEP}")


def test_a_steps_container_may_be_made(proxy):
    answer = create(proxy, BODY)
    assert answer.status_code == 404
    assert "No such image" in answer.json()["message"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"/v1.41/containers/{STEP}/exec"),
        ("POST", f"/v1.41/containers/{STEP}/attach"),
        ("POST", f"/v1.41/containers/{STEP}/update"),
        ("GET", f"/v1.41/containers/{STEP}/archive?path=/"),
        ("PUT", f"/v1.41/containers/{STEP}/archive?path=/"),
        ("GET", f"/v1.41/containers/{STEP}/export"),
        ("POST", f"/v1.41/commit?container={STEP}"),
        ("POST", "/v1.41/exec/0123456789/start"),
        ("POST", "/v1.41/build"),
        ("POST", "/v1.41/images/create?fromImage=alpine"),
        ("POST", "/v1.41/images/load"),
        ("GET", "/v1.41/images/json"),
        ("DELETE", "/v1.41/images/visionloop"),
        ("GET", "/v1.41/volumes"),
        ("POST", "/v1.41/volumes/create"),
        ("POST", "/v1.41/networks/create"),
        ("POST", "/v1.41/networks/visionloop/connect"),
        ("GET", "/v1.41/secrets"),
        ("POST", "/v1.41/swarm/init"),
        ("POST", "/v1.41/plugins/pull?remote=x"),
        ("GET", "/v1.41/events"),
        ("POST", "/v1.41/containers/prune"),
        ("GET", "/v1.41/containers/visionloop_postgres_1/json"),
        ("GET", "/v1.41/containers/visionloop_postgres_1/logs"),
        ("POST", "/v1.41/containers/visionloop_postgres_1/stop"),
        ("DELETE", "/v1.41/containers/0123456789ab?force=1"),
        ("GET", f"/v1.41/containers/../containers/visionloop_postgres_1/json?{STEP}"),
        ("GET", f"/v1.41/containers/x%2F..%2Fpostgres%2Fjson%3F.{STEP[-10:]}/json"),
        ("POST", f"/v1.23/containers/{STEP}/start"),  # took a container's settings, then
        ("POST", "/v1.41/info"),
        ("GET", "/"),
    ],
)
def test_anything_else_is_refused(proxy, method, path):
    assert refused(proxy.request(method, path, headers={"Upgrade": "tcp", "Connection": "Upgrade"}))


REACHING_OUT = {
    "privileged": {"Privileged": True},
    "a folder of the host": {"Binds": ["/:/host"]},
    "a mount": {"Mounts": [{"Type": "bind", "Source": "/", "Target": "/host"}]},
    "another's volumes": {"VolumesFrom": ["visionloop_postgres_1"]},
    "a device": {"Devices": [{"PathOnHost": "/dev/sda", "PathInContainer": "/dev/sda", "CgroupPermissions": "rwm"}]},
    "a capability": {"CapAdd": ["SYS_ADMIN"]},
    "the host's processes": {"PidMode": "host"},
    "the host's network": {"NetworkMode": "host"},
    "the proxy's network": {"NetworkMode": "visionloop_engine"},
    "another's network": {"NetworkMode": "container:visionloop_postgres_1"},
    "no seccomp": {"SecurityOpt": ["no-new-privileges", "seccomp=unconfined"]},
    "another runtime": {"Runtime": "other"},
    "a port": {"PortBindings": {"80/tcp": [{"HostPort": "80"}]}},
    "other letters": {"bINDS": ["/:/host"]},
    "a long s": {"Bind\u017f": ["/:/host"]},
}


@pytest.mark.parametrize("settings", REACHING_OUT.values(), ids=REACHING_OUT)
def test_a_container_that_reaches_out_is_not_made(proxy, settings):
    assert refused(create(proxy, BODY | {"HostConfig": BODY["HostConfig"] | settings}))


RAW = json.dumps(BODY).encode()
DISGUISED = {
    "an escape": RAW[:-1] + b', "HostConfig": {"NetworkMode": "visionloop", "\\u0042inds": ["/:/host"]}}',
    "bytes": RAW[:-1] + ', "HostConfig": {"NetworkMode": "visionloop", "Bind\u017f": ["/:/host"]}}'.encode(),
    "spaces": RAW[:-1] + b', "HostConfig": {"NetworkMode": "visionloop", "Binds" \n : ["/:/host"]}}',
    "far behind": RAW[:-1] + b" " * 200_000 + b', "HostConfig": {"Binds": ["/:/host"]}}',
    "a second network": RAW[:-1] + b', "HostConfig": {"networkmode":"host"}}',
    "an image by name": RAW[:-1] + b', "image": "alpine"}',
    "nothing": b"",
}


@pytest.mark.parametrize("raw", DISGUISED.values(), ids=DISGUISED)
def test_a_disguise_does_not_help(proxy, raw):
    assert refused(create(proxy, None, raw=raw))


def test_a_body_without_a_length_is_refused(proxy):
    answer = proxy.post(f"/v1.41/containers/create?name={STEP}", content=iter([RAW]))
    assert refused(answer)


@pytest.mark.parametrize("name", ["visionloop_postgres_1", "", "a.b.012345678g"])
def test_a_container_without_a_steps_name_is_not_made(proxy, name):
    assert refused(create(proxy, BODY, name=name))


def test_every_call_of_the_operator_is_among_those_tested():
    folder = ROOT / "plugins" / "visionloop_airflow"
    source = (folder / "docker_step.py").read_text() + (folder / "reaper.py").read_text()
    used = set(re.findall(r"(?:self\.cli|client)\.(\w+)", source))
    known = {"info", "create_host_config", "create_container", "start", "inspect_container", "logs", "wait", "stop",
             "remove_container", "containers"}  # fmt: skip
    assert used == known
