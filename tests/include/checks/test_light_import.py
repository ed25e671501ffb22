"""What Great Expectations seldom uses is loaded when it is used, in a process of its own."""

import subprocess
import sys

QUIET = "import warnings\nwarnings.simplefilter('ignore')\n"
DIVERGENCE = """
import pandas as pd
import include.checks.asking, sys
import great_expectations as gx
assert "scipy.stats._stats_py" not in sys.modules
source = gx.get_context(mode="ephemeral").data_sources.add_pandas("p").add_dataframe_asset("a")
batch = source.add_batch_definition_whole_dataframe("b").get_batch({"dataframe": pd.DataFrame({"side": ["a", "a", "b", "b"]})})
expected = gx.expectations.ExpectColumnKLDivergenceToBeLessThan(
    column="side", partition_object={"values": ["a", "b"], "weights": [0.5, 0.5]}, threshold=0.01
)
found = batch.validate(expected)
print(found.success, found.result["observed_value"], "scipy.stats._stats_py" in sys.modules)
"""


def said(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", QUIET + code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_checks_are_imported_without_it_and_leave_the_garbage_collector_as_it_was() -> None:
    loaded = "[name in sys.modules for name in ('scipy.stats._stats_py', 'altair.vegalite')]"
    assert said(f"import gc, sys\nimport include.checks.asking\nprint({loaded}, gc.isenabled())") == "[False, False] True"


def test_an_expectation_that_needs_scipy_has_it() -> None:
    assert said(DIVERGENCE) == "True 0.0 True"


def test_whoever_imports_it_afterwards_gets_it() -> None:
    used = "import altair\nimport scipy.stats\nprint(altair.Chart.__name__, scipy.stats.norm.cdf(0), gc.isenabled())"
    assert said(f"import gc\ngc.disable()\nimport include.checks.asking\n{used}") == "Chart 0.5 False"
    assert said("import include.checks.asking\nfrom scipy import stats\nprint(stats.norm.cdf(0))") == "0.5"
