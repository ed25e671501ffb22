"""Visionloop in Airflow: the one file that the plugin loader reads; all else is in visionloop_airflow/, which it must not run."""

from airflow.plugins_manager import AirflowPlugin

from visionloop_airflow.lazy_app import LazyApp
from visionloop_airflow.links import LINKS, PREFIX


class VisionloopPlugin(AirflowPlugin):
    """Our pages, and the buttons that lead to them."""

    name = "visionloop"
    fastapi_apps = [{"app": LazyApp("visionloop_airflow.pages"), "url_prefix": PREFIX, "name": "visionloop"}]  # noqa: RUF012
    operator_extra_links = list(LINKS.values())  # noqa: RUF012
