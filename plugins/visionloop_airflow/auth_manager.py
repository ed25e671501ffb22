"""FAB's auth manager, with one difference: who answers an approval need not be allowed to change the DAG.

    AIRFLOW__CORE__AUTH_MANAGER=visionloop_airflow.auth_manager.TeamAuthManager

FAB asks for "can_edit DAGs" too, whoever changes anything below a DAG: an approver could then pause it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.providers.fab.auth_manager.fab_auth_manager import FabAuthManager
from airflow.providers.fab.www.security.permissions import RESOURCE_HITL_DETAIL

if TYPE_CHECKING:
    from airflow.api_fastapi.auth.managers.base_auth_manager import ResourceMethod
    from airflow.providers.fab.auth_manager.models import User


class TeamAuthManager(FabAuthManager):
    """For the roles in roles.py."""

    def is_authorized_dag(
        self,
        *,
        method: ResourceMethod,
        user: User,
        access_entity: DagAccessEntity | None = None,
        details: DagDetails | None = None,
    ) -> bool:
        """As FAB says; an approval is answered by who may see it, and may edit approvals."""
        if access_entity != DagAccessEntity.HITL_DETAIL or method != "PUT":
            return super().is_authorized_dag(method=method, user=user, access_entity=access_entity, details=details)
        may_see = super().is_authorized_dag(method="GET", user=user, access_entity=access_entity, details=details)
        return may_see and self._is_authorized(method="PUT", resource_type=RESOURCE_HITL_DETAIL, user=user)
