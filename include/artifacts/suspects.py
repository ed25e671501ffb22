"""The columns of a label review: labels that are likely wrong (find_label_errors), as return_suspects reads them (Parquet)."""

from __future__ import annotations

import pyarrow as pa

# The first to look at first. A box that is not there is null.
SUSPECTS = pa.schema(
    [
        ("rank", pa.int64()),  # 1, 2, …: images that the champion was not trained on first, then by score
        ("kind", pa.string()),  # missing, spurious, swapped, misplaced
        ("score", pa.float64()),  # how likely the label is wrong, 0…1
        ("relpath", pa.string()),
        ("md5", pa.string()),
        ("split", pa.string()),
        ("champion_saw", pa.string()),  # "train": it was trained on this image; "val": its epoch was chosen on it; "no"
        ("annotation_id", pa.int64()),  # of the version; null: there is no such box, it is missing
        ("given_class", pa.string()),
        ("given_x_px", pa.float64()),
        ("given_y_px", pa.float64()),
        ("given_width_px", pa.float64()),
        ("given_height_px", pa.float64()),
        ("likely_class", pa.string()),  # null: nothing is there
        ("likely_x_px", pa.float64()),  # the box that the champion sees
        ("likely_y_px", pa.float64()),
        ("likely_width_px", pa.float64()),
        ("likely_height_px", pa.float64()),
        ("detection_score", pa.float64()),  # the champion's own
        ("origin", pa.string()),  # annotation_key of the given box
        ("annotator", pa.string()),
        ("job", pa.string()),
        ("source", pa.string()),
        ("checked_labels", pa.string()),  # address of the card that the image's labels come from
    ]
)
