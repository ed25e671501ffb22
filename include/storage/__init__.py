"""Where everything is kept: one bucket prefix, its addresses, and the content store in it."""

from include.storage.content import ContentStore
from include.storage.store import Store, open_store

__all__ = ["ContentStore", "Store", "open_store"]
