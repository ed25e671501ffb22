"""Make a new dataset version from others, or from files in a bucket.

    python -m tasks.derive_dataset --input parents=dataset://trees:v3 --output FOLDER --config '{
        "name": "trees-north", "do": {"operation": "filter", "where": [{"column": "site", "value": "north"}]}}'

Reads   the parents' cards and tables (comma-separated addresses; none for adopt and import).
Writes  a dataset_version card at `datasets/<name>/v<n>.json` that names parents, operation, parameters and code.

The operations and their parameters: include/versions/operations/. Exit 99 if nothing would change. Exit 2 if a parameter does
not fit the parents. Exit 3 if pictures in different splits look the same (near_duplicates): the report shows them.
"""

from __future__ import annotations

from include.step.run import main
from include.versions.compare.card_page import publish_page
from include.versions.derive import derive
from tasks.derive_dataset.config import DeriveDataset

if __name__ == "__main__":
    main("derive_dataset", DeriveDataset, derive, after=publish_page)
