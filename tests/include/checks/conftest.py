"""Its warnings at import are its own: tests/quiet_great_expectations.py."""

import tests.quiet_great_expectations  # noqa: F401
