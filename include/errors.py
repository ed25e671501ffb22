"""How a step says that it did not finish, and the exit code that carries it through a container.

StepError
├── ConfigError    2   a definition, flag or setting is wrong: a person must change it; never retried
├── BadInputError  3   the data is wrong; never retried
├── Unavailable    1   a service did not answer as it should, however often it was asked: Airflow tries again later
└── NothingToDo   99   shown as skipped, which updates no asset: quiet, not red

Anything else is a bug: exit 1, with its traceback. Messages say what, where, got, expected, and what to do.
"""

from __future__ import annotations


class StepError(Exception):
    """Ends a step with `exit_code`; its message is the one line that Airflow and the alert show."""

    exit_code = 1


class ConfigError(StepError):
    """A definition file, flag or setting is wrong."""

    exit_code = 2


class BadInputError(StepError):
    """The data that came in is wrong."""

    exit_code = 3


class Unavailable(StepError):
    """A service that we need is not there, or not itself."""

    exit_code = 1


class NothingToDo(StepError):
    """There was nothing new, or nothing better: a normal, quiet end."""

    exit_code = 99
