from __future__ import annotations

import subprocess
import sys
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.artifacts.columns import column

VALUES = {
    pa.string(): st.text(st.characters(exclude_categories=("Cs",))),
    pa.float64(): st.floats(),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.bool_(): st.booleans(),
}


@pytest.mark.parametrize("kind", VALUES, ids=str)
@given(data=st.data())
def test_column_is_what_arrow_itself_makes_of_the_values(kind: pa.DataType, data: Any) -> None:
    values = data.draw(st.lists(VALUES[kind] | st.none(), max_size=20))
    made = column(values, kind)
    made.validate(full=True)
    assert repr(made.to_pylist()) == repr(pa.array(values, kind).to_pylist())  # as text: no NaN equals another
    assert made.null_count == values.count(None)


def test_text_with_half_a_surrogate_pair_is_no_text() -> None:
    with pytest.raises(UnicodeEncodeError):
        column(["a", "\ud800"], pa.string())


def test_tables_are_made_and_written_without_pandas() -> None:
    """It takes as long to import as the tables of a hundred thousand boxes to make."""
    code = """
import sys
from include.artifacts.tables import IMAGES, empty_table, table_of, to_parquet
to_parquet(table_of([("a", None, "ü", 3, 1.5, *[None] * (len(IMAGES) - 5))], IMAGES))
to_parquet(empty_table(IMAGES))
sys.exit("pandas" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
