"""Make the virtual environments, one per image: `python3 images/install.py airflow data torch mlflow cli [--with dev]`.

The same locked packages as in the containers, for the process runtime and for the services of `make demo`. Runs on the
machine's own Python (3.11 or newer), before anything is installed. An environment whose lock did not change is left alone.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

IMAGES = Path(__file__).resolve().parent
VENVS = Path(os.environ.get("VISIONLOOP_VENVS", IMAGES.parent / ".venv"))
UV = "uv==0.13.8"


def say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def bootstrap_uv() -> Path:
    """The installer, in a small environment of its own."""
    uv = VENVS / "uv" / "bin" / "uv"
    if uv.exists():
        return uv
    made = subprocess.run([sys.executable, "-m", "venv", str(VENVS / "uv")], capture_output=True, text=True)
    if made.returncode != 0:
        shutil.rmtree(VENVS / "uv", ignore_errors=True)
        remedy = "On Debian or Ubuntu: apt-get install python3-venv"
        sys.exit(f"{sys.executable} cannot make a virtual environment. {remedy}\n{made.stdout}")
    subprocess.run([VENVS / "uv" / "bin" / "python", "-m", "pip", "install", "-q", UV], check=True)
    return uv


def pip_setting(name: str) -> str | None:
    """What pip is told on this machine, by variable or by configuration file."""
    if value := os.environ.get("PIP_" + name.upper().replace("-", "_")):
        return value
    python = str(VENVS / "uv" / "bin" / "python")
    asked = subprocess.run([python, "-m", "pip", "config", "get", f"global.{name}"], capture_output=True, text=True)
    return asked.stdout.strip() or None


def installer_environment() -> dict[str, str]:
    """What uv is told: pip's settings are honoured, so a mirror or a wheel folder set up for pip serves both."""
    env = {
        "UV_SYSTEM_CERTS": "true",  # a company's proxy signs with a certificate that only the system knows
        "UV_COMPILE_BYTECODE": "true",  # as pip does in the containers: else the first start of each service and step does it
    } | os.environ
    for pip_name, uv_name in (("find-links", "UV_FIND_LINKS"), ("index-url", "UV_INDEX_URL")):
        if uv_name not in env and (value := pip_setting(pip_name)):
            env[uv_name] = ",".join(value.split())
    if "UV_FIND_LINKS" not in env:
        # the build for this machine's GPU, or the CPU one: never gigabytes of CUDA for nothing
        env.setdefault("UV_TORCH_BACKEND", "auto")
    return env


def pin(package: str) -> str:
    """The line of requirements.txt that pins a package."""
    lines = (IMAGES.parent / "requirements.txt").read_text().splitlines()
    return next(line for line in lines if line.startswith(f"{package}=="))


def install(name: str, extra: list[str]) -> None:
    """One environment: exactly what its lock says (plus the locks of `extra`, for tests)."""
    locks = [IMAGES / one / "requirements.lock" for one in (name, *extra)]
    venv, stamp = VENVS / name, hashlib.sha256(b"".join(lock.read_bytes() for lock in locks)).hexdigest()
    stamp_file = venv / "visionloop.lock.sha256"
    if stamp_file.exists() and stamp_file.read_text() == stamp:
        return
    started = time.monotonic()
    uv, env = bootstrap_uv(), installer_environment()
    if not (venv / "bin" / "python").exists():
        subprocess.run([uv, "venv", "-q", "--python", sys.executable, str(venv)], check=True, env=env)
    # torch is pinned but not hashed: which build it is (CPU, CUDA) is this machine's matter
    torch = [pin("torch")] if name == "torch" else []
    command: list[str | Path] = [uv, "pip", "install", "-q", "--python", str(venv / "bin" / "python"), *torch]
    command += [word for lock in locks for word in ("-r", str(lock))]
    subprocess.run(command, check=True, env=env)
    stamp_file.write_text(stamp)
    say(f"  {name:<8} installed in {time.monotonic() - started:.0f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="+", choices=sorted(p.parent.name for p in IMAGES.glob("*/requirements.lock")))
    parser.add_argument(
        "--with", dest="extra", action="append", default=[], help="also install this lock into each (dev, for tests)"
    )
    args = parser.parse_args()
    if sys.version_info < (3, 11):  # noqa: UP036 - this file meets whatever Python the machine has
        sys.exit(f"Visionloop needs Python 3.11 or newer; this is {sys.version.split()[0]} ({sys.executable})")
    for name in args.names:
        try:
            install(name, args.extra)
        except subprocess.CalledProcessError:  # what it said is above
            sys.exit(f"  {name}: not installed. Run this again when that is mended: what is installed stays so")


if __name__ == "__main__":
    main()
