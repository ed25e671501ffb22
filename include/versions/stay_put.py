"""Where an image or its group was once, it stays: no image moves between splits, also not by leaving and coming back.

A version names, beside its images, those that earlier versions had and it has not (`left_table`).
"""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd
import pyarrow as pa

from include.artifacts.tables import VERSION_LEFT, from_parquet, to_frame
from include.storage import ContentStore


def read_places(content: ContentStore, tables: Iterable[str | None]) -> pd.DataFrame:
    """md5, group, split by these tables (md5s of images and left tables of versions; null: none), in their order."""
    read = [to_frame(from_parquet(content.get(md5), VERSION_LEFT.names)) for md5 in tables if md5 is not None]
    filled = [frame for frame in read if len(frame)]
    return pd.concat(filled, ignore_index=True).drop_duplicates() if filled else pd.DataFrame(columns=VERSION_LEFT.names)


def stay_put(images: pd.DataFrame, known: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Each image in the group and split where it was, a new one where its group is; and how many were stated elsewhere.

    The first word of `known` on an image counts. A group that was torn apart before says nothing of new images.
    """
    places = known.drop_duplicates("md5").set_index("md5")
    whole = known.drop_duplicates(["group", "split"]).drop_duplicates("group", keep=False).set_index("group")["split"]
    group, split = (images["md5"].map(places[name]) for name in ("group", "split"))
    split = split.where(split.notna(), images["group"].map(whole))
    split = split.where(split.notna(), images["split"]).astype(object)
    group = group.where(group.notna(), images["group"]).astype(object)
    return images.assign(group=group, split=split), int((split != images["split"]).sum())


def left_table(images: pd.DataFrame, known: pd.DataFrame) -> pa.Table:
    """VERSION_LEFT: what was known and is not there, by md5."""
    gone = known[~known["md5"].isin(images["md5"])].drop_duplicates("md5").sort_values("md5")
    return pa.Table.from_pandas(gone, VERSION_LEFT, preserve_index=False).replace_schema_metadata(None)
