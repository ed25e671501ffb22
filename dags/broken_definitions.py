"""Makes no DAG: shows in Airflow's *Import Errors* what is wrong in include/{sources,datasets,models,alerting}/*.yaml.

The files that are right keep their DAGs.
"""

from __future__ import annotations

from include.errors import ConfigError
from visionloop_airflow import definitions

if found := definitions.problems():
    raise ConfigError("\n".join(found))
