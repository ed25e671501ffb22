"""Build the images: `make images`, or `python3 images/build.py [data torch …]`. Needs a Docker engine that answers.

    BASE_IMAGE   a Debian with Python 3.11, its venv module and useradd (default: python:3.11-slim-bookworm)
    DOCKER       the client to build with (default: the first one found that can)
    PIP_…        PIP_INDEX_URL, PIP_EXTRA_INDEX_URL, PIP_DEFAULT_TIMEOUT and the proxies hold while building, too
    PIP_CERT     (or SSL_CERT_FILE) the certificates to trust while building, where a proxy has its own

Each image is tagged visionloop/<name>:<git commit>, with `-dirty` where what goes into it differs from that commit. Its id
goes to $VISIONLOOP_HOME/images.json: that is what steps run. Airflow's image holds the ids of the step images that were built
before it: a team's stack runs the steps of its own commit. Torch comes from where this machine's pip finds it, so a pip
that knows a folder or an index with CPU builds gives an image without CUDA.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HOME = Path(os.environ.get("VISIONLOOP_HOME") or ROOT / ".visionloop")
BUILD = ROOT / "build"
STEP_IMAGES = ("data", "torch")
TEAM_IMAGES = (*STEP_IMAGES, "mlflow", "airflow")  # Airflow's last: it names the step images
PIP_SETTINGS = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_DEFAULT_TIMEOUT")
PASSED_ON = ("BASE_IMAGE", *PIP_SETTINGS, "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}  # Docker's name: the wheels' name


def say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def docker_client() -> str:
    """A client that can build on an engine that answers. Raises SystemExit with what was tried."""
    tried = []
    candidates = [os.environ["DOCKER"]] if os.environ.get("DOCKER") else ["docker", "/usr/bin/docker"]
    for client in filter(None, map(shutil.which, candidates)):
        answer = subprocess.run([client, "version", "--format", "{{.Client.Version}}"], capture_output=True, text=True)
        if answer.returncode != 0:
            tried.append(f"{client}: {answer.stderr.strip()}")
        # clients since 23 need the buildx plugin; older ones, as Debian's 20.10, build by themselves
        elif (
            int(answer.stdout.split(".")[0]) < 23
            or subprocess.run([client, "buildx", "version"], capture_output=True).returncode == 0
        ):
            return client
        else:
            tried.append(f"{client}: version {answer.stdout.strip()} without buildx cannot build")
    remedy = "start or install Docker with buildx (on Debian, as root: .ci/docker-engine.sh), or set DOCKER"
    sys.exit(
        "\n  ".join(["cannot build images: no Docker client and engine that can", *(tried or ["docker: not found"])])
        + f"\n{remedy}"
    )


def copy_certificates() -> None:
    """What this machine trusts, for the first stage of a build only: no image keeps them."""
    source, copy = os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE"), BUILD / "ca-certificates.crt"
    BUILD.mkdir(exist_ok=True)
    if source:
        shutil.copyfile(source, copy)
    else:
        copy.unlink(missing_ok=True)


def pip() -> list[str]:
    """A pip of this machine, with its configuration."""
    for python in (ROOT / ".venv" / "uv" / "bin" / "python", sys.executable):
        if Path(python).exists() and subprocess.run([python, "-m", "pip", "--version"], capture_output=True).returncode == 0:
            return [str(python), "-m", "pip"]
    sys.exit(f"{sys.executable} has no pip to download torch with; run `make setup` first")


def download_torch(client: str) -> None:
    """The wheel for the engine's kind of machine, which need not be this one's. One already there is taken."""
    found = re.search(r"^torch==(\S+)$", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert found is not None, "requirements.txt pins torch"
    asked = subprocess.run([client, "version", "--format", "{{.Server.Arch}}"], capture_output=True, text=True, check=True)
    machine = MACHINES.get(asked.stdout.strip(), asked.stdout.strip())
    wheels, aside = BUILD / "wheels", BUILD / "wheels.part"
    wheels.mkdir(parents=True, exist_ok=True)
    for wheel in wheels.glob("torch-*.whl"):
        if re.match(rf"torch-{re.escape(found[1])}[+-].*{machine}\.whl$", wheel.name):
            return
        wheel.unlink()
    command = [*pip(), "download", "-q", f"torch=={found[1]}", "--no-deps", "--dest", str(aside), "--only-binary", ":all:",
               "--python-version", "3.11", "--implementation", "cp", "--platform", f"manylinux_2_28_{machine}"]  # fmt: skip
    if subprocess.run(command).returncode != 0:
        sys.exit(f"pip found no torch {found[1]} for Linux on {machine} and Python 3.11; put its wheel into {wheels}/")
    for wheel in aside.glob("torch-*.whl"):
        wheel.replace(wheels / wheel.name)
    aside.rmdir()


def commit(name: str) -> str:
    """The whole hash, if just its files go into the image; with `-dirty` otherwise; `unknown` outside git."""
    git = ["git", "-C", str(ROOT)]
    inside = [f"images/{name}", "images/packages.sh"]
    inside += {"mlflow": [], "airflow": ["include", "tasks", "dags", "plugins"]}.get(name, ["include", "tasks"])
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
        changed = subprocess.run([*git, "status", "--porcelain", "--", *inside], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head.stdout.strip() + ("-dirty" if changed.stdout else "")


def tag(name: str) -> str:
    """The commit, short."""
    whole, dirty, _ = commit(name).partition("-dirty")
    return whole[:12] + dirty


def note_step_images() -> None:
    """What Airflow's image is told: the ids of the step images. Raises SystemExit if they were not built."""
    path = HOME / "images.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    if missing := [name for name in STEP_IMAGES if name not in known]:
        sys.exit(f"Airflow's image names the step images, and {path} has no {', '.join(missing)}: `make images` builds them")
    (BUILD / "images.json").write_text(json.dumps({name: known[name] for name in STEP_IMAGES}, indent=1) + "\n")


def build(client: str, name: str) -> str:
    """The id (sha256:…) of the image. Raises SystemExit with the end of the builder's log."""
    log, id_file, image = BUILD / f"{name}.log", BUILD / f"{name}.id", f"visionloop/{name}:{tag(name)}"
    say(f"  {image}: building, log in {log}")
    started = time.monotonic()
    command = [client, "build", "--network", "host", "--iidfile", str(id_file), "-t", image, "-f", f"images/{name}/Dockerfile"]
    command += ["--build-arg", f"GIT_COMMIT={commit(name)}"] if name == "airflow" else []
    command += [word for key in PASSED_ON if os.environ.get(key) for word in ("--build-arg", f"{key}={os.environ[key]}")]
    # attestations hold the time of the build: with them, the same content would get another id
    environment = os.environ | {"BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
    with log.open("w") as out:
        done = subprocess.run([*command, "."], cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, env=environment)
    if done.returncode != 0:
        sys.exit(f"building {image} failed; the end of {log}:\n{log.read_text()[-3000:]}")
    say(f"  {image}: {id_file.read_text()[:19]} in {time.monotonic() - started:.0f} s")
    return id_file.read_text().strip()


def is_there(client: str, name: str) -> bool:
    """Whether the image of this very commit was built. Of changed files, only the builder knows."""
    if commit(name) == "unknown" or commit(name).endswith("-dirty"):
        return False
    words = [client, "image", "inspect", "--format", "{{.Id}}", f"visionloop/{name}:{tag(name)}"]
    asked = subprocess.run(words, capture_output=True, text=True)
    if asked.returncode == 0:
        record(name, asked.stdout.strip())
    return asked.returncode == 0


def not_there(client: str, names: list[str]) -> list[str]:
    """Those to build; Airflow's too if it would name a step image that is built anew."""
    missing = [name for name in names if not is_there(client, name)]
    return [name for name in names if name in missing or (name == "airflow" and set(STEP_IMAGES) & set(missing))]


def record(name: str, image_id: str) -> None:
    """Note in images.json which image steps run, by content."""
    path = HOME / "images.json"
    HOME.mkdir(parents=True, exist_ok=True)
    known = json.loads(path.read_text()) if path.exists() else {}
    aside = path.with_suffix(".tmp")
    aside.write_text(json.dumps(known | {name: image_id}, indent=1) + "\n")
    aside.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    known = sorted(path.parent.name for path in ROOT.glob("images/*/Dockerfile"))
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(known)} (default: {' '.join(STEP_IMAGES)})")
    parser.add_argument("--missing", action="store_true", help="only those that this commit has not, in the order given")
    args = parser.parse_args()
    names = args.names or list(STEP_IMAGES)
    if unknown := [name for name in names if name not in known]:
        parser.error(f"no image {', '.join(unknown)}; there are {', '.join(known)}")
    client = docker_client()
    copy_certificates()
    make = not_there(client, names) if args.missing else names
    if "torch" in make:
        download_torch(client)
    for name in make:
        if name == "airflow":
            note_step_images()
        record(name, build(client, name))
    sys.stdout.write("".join(f"{name}=visionloop/{name}:{tag(name)}\n" for name in names))


if __name__ == "__main__":
    main()
