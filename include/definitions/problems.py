"""Every problem of a definition in one message: how many, where, got and expected."""

from __future__ import annotations

from pydantic import ValidationError


def flatten(error: ValidationError, where: str) -> str:
    """`2 problems in include/models/trees.yaml: train_detector.epochs: got 'many', …`"""
    lines = []
    # a default that follows from another key: that key's own problem says all
    problems = [one for one in error.errors() if one["type"] != "default_factory_not_called"]
    for problem in problems:
        key = ".".join(map(str, problem["loc"])) or "(top level)"
        if problem["type"] == "extra_forbidden":
            lines.append(f"{key}: unknown key; is it spelt right?")
        elif problem["type"] == "missing":
            lines.append(f"{key}: missing")
        elif not problem["loc"]:  # about several keys together: the message names them
            lines.append(problem["msg"].removeprefix("Value error, "))
        else:
            lines.append(f"{key}: got {problem['input']!r}: {problem['msg']}")
    return f"{len(lines)} problem{'s' if len(lines) > 1 else ''} in {where}: " + "; ".join(lines)
