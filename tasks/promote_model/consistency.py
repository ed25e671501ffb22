"""Do the three cards speak of the same model and the same data?"""

from __future__ import annotations

from include.artifacts import Bundle, EvaluationReport, ParityReport
from include.errors import BadInputError


def check(bundle_address: str, bundle: Bundle, report: EvaluationReport, parity: ParityReport) -> None:
    """Raises BadInputError that names every difference, or every failed parity check."""
    facts = {
        "the report's model": (report.model, bundle.model),
        "the report's bundle": (report.challenger.bundle, bundle_address),
        "the report's dataset": (f"{report.dataset} {report.dataset_digest}", f"{bundle.dataset} {bundle.dataset_digest}"),
        "the parity report's model": (parity.model, bundle.model),
        "the parity report's bundle": (parity.bundle, bundle_address),
    }
    wrong = [f"{name}: got {got}, expected {expected}" for name, (got, expected) in facts.items() if got != expected]
    if wrong:
        raise BadInputError(
            f"promotion of {bundle.model}: the reports are of something else: {'; '.join(wrong)}; "
            "promote with the reports of one run"
        )
    if not parity.passed or not parity.checks:
        failed = "; ".join(
            f"{one.name}: got {one.got}, expected {one.expected}" for one in parity.checks if not one.passed
        )  # fmt: skip
        raise BadInputError(
            f"promotion of {bundle.model}: the packed model is not the trained one: {failed or 'no check was made'}; "
            "run pack_model and test_bundle again"
        )
