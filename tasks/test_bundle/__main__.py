"""Prove that the packed model is still the trained one.

Reads    checkpoint   card of train_detector
         bundle       card of pack_model
Writes   parity_report card: every check with got and expected, passed or not

Checked: the archive's bytes, every file in it, weights, classes and configuration against the cards; and that the PyTorch
weights and the ONNX model, both from the unpacked archive, see in the reference image what the checkpoint saw when it was
trained: boxes within 0.5 px and scores within 0.001 (config.py), in practice identical on one machine.

Exit 3: a check failed; the card with all of them is published first. The error names the failed ones.
"""

from __future__ import annotations

from include.artifacts import Bundle, Checkpoint, ParityReport
from include.errors import BadInputError
from include.step.run import StepRun, main
from include.storage.content import content_key
from tasks.test_bundle.config import ParityConfig
from tasks.test_bundle.parity import check_bundle


def work(step: StepRun[ParityConfig]) -> ParityReport:
    """The card with every check."""
    checkpoint, bundle = step.input("checkpoint", Checkpoint), step.input("bundle", Bundle)
    if bundle.checkpoint != step.addresses["checkpoint"]:
        raise BadInputError(
            f"test_bundle: the bundle was packed from {bundle.checkpoint}, expected {step.addresses['checkpoint']}; "
            "give it the checkpoint and the bundle of one run"
        )
    try:
        archive = step.store.read(content_key(bundle.archive))  # unchecked: a changed archive is a finding
    except FileNotFoundError:
        raise BadInputError(
            f"test_bundle: {step.store.url}/{content_key(bundle.archive)} is missing; pack the checkpoint again"
        ) from None
    checks = check_bundle(checkpoint, bundle, archive, step.scratch, step.config)
    for check in checks:
        step.log.info("%s %s: %s", "passed" if check.passed else "FAILED", check.name, check.got)
    return step.card(ParityReport, model=bundle.model, bundle=step.addresses["bundle"], checks=checks)


def fail_if_failed(step: StepRun[ParityConfig], report: ParityReport) -> None:
    """Raises BadInputError that names the failed checks."""
    failed = [f"{check.name}: got {check.got}, expected {check.expected}" for check in report.checks if not check.passed]
    if failed:
        raise BadInputError(
            f"{report.model}: the packed model is not the trained one, {len(failed)} of {len(report.checks)} checks failed: "
            f"{'; '.join(failed)}; pack the checkpoint again in a new run"
        )


if __name__ == "__main__":
    main("test_bundle", ParityConfig, work, after=fail_if_failed)
