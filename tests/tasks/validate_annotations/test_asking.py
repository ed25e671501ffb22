from __future__ import annotations

import subprocess
import sys

IMPORTED = """
import warnings
warnings.simplefilter("ignore")
import tasks.validate_annotations.__main__, sys
print([name for name in ("great_expectations", "scipy.stats", "altair") if name in sys.modules])
"""
COMING = """
import warnings
warnings.simplefilter("ignore")
from datetime import UTC, datetime
from pathlib import Path
import gc, sys
import numpy as np, pandas as pd
from include.definitions.suites import resolve
from tasks.validate_annotations.asking import Coming
coming = Coming(Path("never made"), "b1", datetime(2026, 1, 1, tzinfo=UTC))
rules = [one for one in resolve({"classes": {"car": "car"}}, "s").rules if one.name == "box_finite"]
sides = {name: [1.0, np.nan] for name in ("x_px", "y_px", "width_px", "height_px")}
print(coming.broken("1", pd.DataFrame({"row": [0, 1], **sides}), rules)["box_finite"].tolist(), coming.suites().asked[0].broken)
print(gc.isenabled())
"""


def said(code: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")[:-1]


def test_step_begins_without_great_expectations() -> None:
    assert said(IMPORTED) == ["[]"]


def test_who_asks_waits_until_it_is_there() -> None:
    assert said(COMING) == ["[False, True] 1", "True"]


def test_what_is_wrong_on_the_way_is_raised_where_it_is_asked() -> None:
    code = COMING.replace("import gc, sys\n", "import gc, sys\nsys.modules['great_expectations'] = None\n")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "import of great_expectations halted" in done.stderr
