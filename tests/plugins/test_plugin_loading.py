"""The plugin as Airflow's components load it."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROBE = """
import sys
from airflow import plugins_manager
plugins, errors = plugins_manager._get_plugins()
assert not errors, errors
(ours,) = [plugin for plugin in plugins if plugin.name == "visionloop"]
prefixes = [app["url_prefix"] for app in ours.fastapi_apps]
# the other way round, the pages would be asked for all
assert prefixes == ["/visionloop/webhooks", "/visionloop/spot_check", "/visionloop"]
(early,) = ours.fastapi_root_middlewares
assert callable(early["middleware"])  # only a web server calls it
names = {link.name for link in ours.operator_extra_links}
assert names == {"MLflow run", "Data Docs", "Report", "Dataset card", "Near duplicates", "Spot check"}, names
files = {path.stem for path in __import__("pathlib").Path(sys.argv[1]).glob("visionloop_airflow/*.py")} - {"__init__"}
assert len(files) > 10
stray = files & sys.modules.keys()  # run under its bare name, a file of ours could replace somebody else's module
assert not stray, stray
heavy = {"airflow.api_fastapi.core_api.security", "docker", "torch", "pandas", "pyarrow", "mlflow"} & sys.modules.keys()
assert not heavy, heavy
"""


def test_the_loader_runs_one_file_and_nothing_heavy(tmp_path):
    environment = os.environ | {
        "AIRFLOW_HOME": str(tmp_path), "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False", "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    command = [sys.executable, "-c", PROBE, str(ROOT / "plugins")]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
