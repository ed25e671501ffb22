"""How a step ended, as Airflow exceptions, and which of them are worth another try.

The message is the step's own last error line: it is what Airflow and the alert show.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule
from airflow.sdk.exceptions import AirflowException, AirflowSkipException

from include.errors import ConfigError

KILLED = (137, 143, -9, -15)  # by SIGKILL and SIGTERM, as a shell and as Python say it


class StepFailed(AirflowException):
    """A bug in a step, or a lost process."""


class StepLost(StepFailed):
    """The step's process or container went away without a word."""


class EngineUnreachable(StepFailed):
    """The container engine does not answer. The step may well go on, and is found again when it does."""


class StepConfigError(StepFailed):
    """Exit 2: a person must change a definition or setting."""


class StepBadInput(StepFailed):
    """Exit 3: the data is wrong."""


class StepOutOfMemory(StepFailed):
    """Killed at its memory limit."""


RETRY_POLICY = ExceptionRetryPolicy(
    rules=[
        RetryRule(
            exception=[ConfigError, StepConfigError, StepBadInput, StepOutOfMemory],
            action=RetryAction.FAIL,
            reason="another try would end the same way",
        ),
        RetryRule(exception=StepLost, action=RetryAction.RETRY, retry_delay=timedelta(seconds=5), reason="lost, not failed"),
        RetryRule(
            exception=EngineUnreachable,
            action=RetryAction.RETRY,
            retry_delay=timedelta(minutes=1),
            reason="an engine that is being restarted needs a while",
        ),
    ]
)


def raise_outcome(step: str, exit_code: int, error_line: str, ran_out_of_memory: bool, memory_mb: int) -> None:
    """Nothing for 0; AirflowSkipException for 99; else the exception that fits."""
    if exit_code == 0:
        return
    said = f"{step}: {error_line or f'ended with exit code {exit_code} and no error line'}"
    if exit_code == 99:
        raise AirflowSkipException(said)
    if ran_out_of_memory:
        raise StepOutOfMemory(
            f"{step}: killed at its memory limit of {memory_mb} MB (tasks/{step}/step.toml); last line: {error_line}"
        )
    if exit_code in KILLED:
        raise StepLost(f"{step}: killed from outside; last line: {error_line}")
    raise {2: StepConfigError, 3: StepBadInput}.get(exit_code, StepFailed)(said)
