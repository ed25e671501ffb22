"""Great Expectations 1.24 imports sre_constants, which Python deprecates: the warning is its own, once, at import."""

import os
import warnings

os.environ["GX_ANALYTICS_ENABLED"] = "false"
with warnings.catch_warnings():
    warnings.filterwarnings("ignore", "module 'sre_.*' is deprecated", DeprecationWarning)
    import great_expectations  # noqa: F401
