"""What flows between the steps: each noun is a small immutable card; its bytes lie in the content store."""

from __future__ import annotations

from include.artifacts.base import Card, CardKind
from include.artifacts.bundle import Bundle
from include.artifacts.checked_labels import CheckedLabels, LetThrough
from include.artifacts.checkpoint import Checkpoint, Detection, Reference
from include.artifacts.dataset_version import DatasetVersion, SplitCount
from include.artifacts.evaluation_report import EvaluationReport, PairedDifference, Score
from include.artifacts.label_batch import Agreed, Agreement, Delivery, LabelBatch
from include.artifacts.label_return import LabelReturn, Returned
from include.artifacts.label_review import LabelReview, SuspectReturn, Told
from include.artifacts.parity_report import Check, ParityReport
from include.artifacts.promotion import Promotion
from include.artifacts.spot_check import SpotCheck, Stratum
from include.artifacts.stopped_labels import StoppedLabels
from include.artifacts.storage_audit import BrokenVersion, Damage, StorageAudit

KINDS: dict[str, CardKind] = {
    card.kind: card
    for card in (
        LabelBatch,
        CheckedLabels,
        LabelReturn,
        SpotCheck,
        DatasetVersion,
        Checkpoint,
        Bundle,
        EvaluationReport,
        ParityReport,
        Promotion,
        StorageAudit,
        LabelReview,
        SuspectReturn,
    )
}

__all__ = [
    "KINDS", "Agreed", "Agreement", "BrokenVersion", "Bundle", "Card", "Check", "CheckedLabels", "Checkpoint", "Damage",
    "DatasetVersion", "Delivery", "Detection", "EvaluationReport", "LabelBatch", "LabelReturn", "LabelReview", "LetThrough",
    "PairedDifference", "ParityReport", "Promotion", "Reference", "Returned", "Score", "SplitCount", "SpotCheck", "StoppedLabels",
    "StorageAudit", "Stratum", "SuspectReturn", "Told",
]  # fmt: skip
