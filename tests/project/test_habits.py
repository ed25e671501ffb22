"""Habits that no linter of ours checks: short functions, no prints, claims that say how they are measured, no private names."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[2]
PUBLIC = {"pypi.org", "files.pythonhosted.org", "download.pytorch.org"}


def tracked(*patterns):
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", *patterns]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert listed
    return [ROOT / name for name in listed if (ROOT / name).is_file()]


def nodes(path):
    return ast.walk(ast.parse(path.read_text()))


def test_a_function_is_at_most_40_lines():
    code = tracked("include/*.py", "tasks/*.py", "plugins/*.py", "dags/*.py", "cli/*.py", "images/*.py", "benchmarks/*.py")
    functions = [
        (f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", node.end_lineno - node.lineno + 1)
        for path in code
        for node in nodes(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert [(name, lines) for name, lines in functions if lines > 40] == []


def test_steps_log_and_print_nothing():
    prints = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in tracked("include/*.py", "tasks/*.py", "plugins/*.py", "dags/*.py")
        for node in nodes(path)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert prints == []


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks").glob("*.py")), ids=lambda path: path.stem)
def test_a_benchmark_says_claim_how_and_command(path):
    manual = ast.get_docstring(ast.parse(path.read_text()))
    assert manual.startswith("Claim: ")
    assert "\nHow: " in manual
    (command,) = re.findall(r"^    \.venv/\w+/bin/python (.+)$", manual, re.MULTILINE)
    assert command in (f"benchmarks/{path.name}", f"-m benchmarks.{path.stem}")


def pip_settings():
    """Values of this machine's pip and uv: package indexes and wheel folders."""
    listed = subprocess.run([ROOT / ".venv/uv/bin/python", "-m", "pip", "config", "list"], capture_output=True, text=True)
    names = ("INDEX_URL", "EXTRA_INDEX_URL", "FIND_LINKS")
    values = [os.environ.get(f"{tool}_{name}", "") for tool in ("PIP", "UV") for name in names]
    values += [line.partition("=")[2].strip("'\"") for line in listed.stdout.splitlines() if re.search("index|find", line)]
    return {word for value in values for word in re.split(r"[\s,]+", value.replace("\\n", " ")) if word}


def private_names():
    """What only this machine has: this checkout, the home folder, where packages come from."""
    hosts = {urlsplit(one).hostname for one in pip_settings() if "//" in one} - PUBLIC - {None}
    folders = {one for one in pip_settings() if "//" not in one and Path(one).is_absolute()}
    paths = {f"{ROOT}", f"{Path.home()}/", f"{Path(sys.base_prefix)}/"} - {"/", "/usr/"}
    return hosts | folders | {path for path in paths if path.count("/") > 1}


def test_nothing_names_this_machine_or_where_it_gets_packages():
    names = private_names()
    found = [
        f"{path.relative_to(ROOT)} names {name}"
        for path in tracked()
        for name in names
        if re.search(rb"(?<![\w.])" + re.escape(name.encode()) + rb"(?!\w)" * (not name.endswith("/")), path.read_bytes())
    ]
    assert found == []
