"""Who is told when something goes wrong: include/alerting/<name>.yaml."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from include.definitions.base import Definition

Severity = Literal["critical", "error", "warning"]


class AlertRoute(Definition):
    """One destination: a chat, a pager, a mailbox, or several that are told the same."""

    noun: ClassVar[str] = "alerting"
    folder: ClassVar[str] = "alerting"

    urls_in: str = Field(
        pattern=r"^VISIONLOOP_[A-Z0-9_]+$",
        description="environment variable with Apprise URLs, separated by spaces: they hold tokens, which no file should",
    )
    severities: tuple[Severity, ...] = Field(default=("critical", "error", "warning"), min_length=1)
    models: tuple[str, ...] = Field(default=(), description="alerts that concern one of these models; none: every alert")
