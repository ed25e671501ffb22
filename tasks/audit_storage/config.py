"""What audit_storage is told: what the form of the DAG storage_audit asks."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class AuditStorage(BaseModel):
    """Which versions are looked at, and how closely."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str = Field(default="", pattern=r"^([a-z][a-z0-9_-]*)?$", description="only the versions of this one; empty: of all")
    deep: bool = Field(default=False, description="read everything, also what the bucket's listing proves")
