"""What Great Expectations seldom uses is loaded when it is used, in a process of its own."""

import subprocess
import sys

import pytest

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


@pytest.mark.parametrize("name", ["scipy.stats._stats_py", "altair.vegalite"])
def test_the_checks_are_imported_without_it(name: str) -> None:
    assert said(f"import include.checks.asking, sys\nprint({name!r} in sys.modules)") == "False"


def test_an_expectation_that_needs_scipy_has_it() -> None:
    assert said(DIVERGENCE) == "True 0.0 True"


@pytest.mark.parametrize(
    ("code", "expected"),
    [("import altair\nprint(altair.Chart.__name__)", "Chart"), ("from scipy import stats\nprint(stats.norm.cdf(0))", "0.5"),
     ("import scipy.stats\nprint(scipy.stats.norm.cdf(0))", "0.5")],
    ids=["altair", "scipy-from", "scipy-dotted"],
)  # fmt: skip
def test_whoever_imports_it_afterwards_gets_it(code: str, expected: str) -> None:
    assert said(f"import include.checks.asking\n{code}") == expected


def test_the_garbage_collector_is_left_as_it_was() -> None:
    assert said("import gc\nimport include.checks.asking\nprint(gc.isenabled())") == "True"
    assert said("import gc\ngc.disable()\nimport include.checks.asking\nprint(gc.isenabled())") == "False"
