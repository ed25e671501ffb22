"""The team's roles in Airflow's FAB auth manager: what docs/roles.md publishes.

    python -m visionloop_airflow.roles      makes them, or makes them again as they should be; other roles stay as they are

Viewer and Admin are FAB's own, which its web server restores whenever it starts. Operator, Approver and Webhook are ours, and
hold exactly what is written here: what somebody added to them by hand is gone after the next `make up`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.providers.fab.auth_manager.security_manager.override import FabAirflowSecurityManagerOverride

Permissions = frozenset[tuple[str, str]]  # FAB's words: action, resource

LOOK: Permissions = frozenset(
    ("can_read", what)
    for what in (
        "Website", "DAGs", "DAG Code", "DAG Dependencies", "DAG Runs", "DAG Versions", "DAG Warnings", "Task Instances",
        "Task Logs", "XComs", "Assets", "Asset Aliases", "Backfills", "Pools", "Jobs", "Cluster Activity", "ImportError",
        "HITL Detail",
        "My Profile", "My Password",
    )
) | frozenset(
    ("menu_access", what)
    for what in (
        "Browse", "DAGs", "DAG Dependencies", "DAG Runs", "Task Instances", "Assets", "Jobs", "Cluster Activity", "Documentation",
        "Docs", "HITL Detail",
    )
) | {("can_edit", "My Password"), ("can_edit", "My Profile")}  # fmt: skip
RUN: Permissions = frozenset({
    ("can_edit", "DAGs"),  # pause
    ("can_create", "DAG Runs"), ("can_edit", "DAG Runs"),
    ("can_create", "Task Instances"), ("can_edit", "Task Instances"),  # clear, mark
    ("can_create", "Assets"),  # an event
})  # fmt: skip
APPROVE: Permissions = frozenset({("can_edit", "HITL Detail")})  # with auth_manager.py; FAB alone would want "can_edit DAGs" too
WEBSITE: Permissions = frozenset({("can_read", "Website")})  # FAB gives it to every role, and nothing is behind it

OURS: dict[str, Permissions] = {
    "Operator": LOOK | RUN,
    "Approver": LOOK | APPROVE,
    "Webhook": WEBSITE | {("can_create", "Assets")},
}
OF_FAB = ("Viewer", "Admin")


def make(manager: FabAirflowSecurityManagerOverride) -> None:
    """All five roles, as they should be."""
    manager.create_perm_vm_for_all_dag()
    manager.bulk_sync_roles([role for role in manager.ROLE_CONFIGS if role["role"] in OF_FAB])
    for name, wanted in OURS.items():
        role = manager.add_role(name)
        held = {(one.action.name, one.resource.name): one for one in role.permissions}
        for extra in held.keys() - wanted:
            manager.remove_permission_from_role(role, held[extra])
        for missing in wanted - held.keys():
            manager.add_permission_to_role(role, manager.create_permission(*missing))
    manager.update_admin_permission()  # Admin may do all that any role may


def main() -> None:
    """Needs AIRFLOW__DATABASE__SQL_ALCHEMY_CONN to be migrated."""
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
    from airflow.utils.providers_configuration_loader import providers_configuration_loaded

    @providers_configuration_loaded  # FAB's own settings have no defaults before
    def with_fab() -> None:
        with get_application_builder() as builder:
            make(builder.sm)

    with_fab()
    sys.stdout.write(f"roles: {', '.join((*OF_FAB, *OURS))}\n")


if __name__ == "__main__":
    main()
