"""Visionloop in Airflow: the one file that the plugin loader reads; all else is in visionloop_airflow/, which it must not run."""

from airflow.plugins_manager import AirflowPlugin

from visionloop_airflow.gpus import GpuPool
from visionloop_airflow.lazy_app import LazyApp
from visionloop_airflow.links import LINKS, PREFIX

webhooks = LazyApp("visionloop_airflow.webhooks")


class VisionloopPlugin(AirflowPlugin):
    """Our pages, the buttons that lead to them, and the door for webhooks."""

    name = "visionloop"
    fastapi_apps = [  # noqa: RUF012 - Airflow's own attribute; the first whose prefix fits is asked
        {"app": webhooks, "url_prefix": f"{PREFIX}/webhooks", "name": "visionloop webhooks"},
        {
            "app": LazyApp("visionloop_airflow.spot_checks"),
            "url_prefix": f"{PREFIX}/spot_check",
            "name": "visionloop spot checks",
        },
        {"app": LazyApp("visionloop_airflow.pages"), "url_prefix": PREFIX, "name": "visionloop"},
    ]
    # services hang up on a first call that takes seconds
    fastapi_root_middlewares = [{"middleware": webhooks.early, "name": "visionloop webhooks"}]  # noqa: RUF012
    listeners = [GpuPool()]  # noqa: RUF012
    operator_extra_links = list(LINKS.values())  # noqa: RUF012
