"""The PromQL that we ship, and the names of metrics in it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
RULES = ROOT / "include/monitoring/rules.yaml"
PROMETHEUS_OWN = {"up", "ALERTS", "vector"}  # of no exporter


def expressions() -> dict[str, str]:
    """Every expression by where it stands: an alert, or a panel of a dashboard."""
    rules = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    found = {f"alert {rule['alert']}": rule["expr"] for rule in rules}
    for path in (ROOT / "include/dashboards").glob("*.json"):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel.get("targets", ()):
                found[f"{path.stem}, panel {panel['title']}, {target['refId']}"] = target["expr"]
    return found


def metrics(expression: str) -> set[str]:
    """Names of metrics: all begin with whose they are, and no label does."""
    return set(re.findall(r"\b(?:(?:airflow|visionloop)_\w+|up\b|ALERTS\b|vector\b)", re.sub(r'"[^"]*"', "", expression)))
