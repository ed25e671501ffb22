"""The kind of `transform` that puts changed copies beside the train pictures."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace
from typing import Literal

from pydantic import Field, model_validator

from include.versions.operations.cutting import Pictures, Plan
from include.versions.operations.edits import Edit, Shape, whole


class Augment(Pictures):
    """Every train picture stays, and so many changed copies come beside it. val and test stay as they are."""

    kind: Literal["augment"]
    copies: int = Field(1, ge=1, le=50)
    flips: tuple[Literal["horizontal", "vertical"], ...] = ("horizontal",)
    quarter_turns: bool = Field(False, description="turn by 90°, 180°, 270°")
    brightness: float = Field(0, ge=0, lt=1, description="0.2: factors 0.8 … 1.2")
    contrast: float = Field(0, ge=0, lt=1)
    seed: int = 0

    @model_validator(mode="after")
    def _copies_differ(self) -> Augment:
        different = len(self.ways()) - 1
        if not self.brightness and not self.contrast and self.copies > different:
            raise ValueError(f"copies: got {self.copies}, but flips and quarter_turns make only {different} other pictures")
        return self

    def ways(self) -> list[tuple[bool, int]]:
        """Every (mirror, quarter turns) that flips and turns can make together; first the picture itself."""
        steps = {"horizontal": (True, 0), "vertical": (True, 2)}
        allowed = [steps[flip] for flip in self.flips] + ([(False, 1)] if self.quarter_turns else [])
        found = [(False, 0)]
        for mirror, turns in found:  # grows while we look
            for then_mirror, then_turns in allowed:
                # turning and then mirroring is mirroring and then turning the other way
                way = (mirror != then_mirror, (then_turns + (-turns if then_mirror else turns)) % 4)
                if way not in found:
                    found.append(way)
        return found

    def plan(self, image: Shape) -> Plan:
        if image.split != "train":
            return [None]
        chance = random.Random(int(hashlib.sha256(f"{self.seed}/{image.md5}".encode()).hexdigest()[:16], 16))
        jitters = bool(self.brightness or self.contrast)
        ways = self.ways() if jitters else self.ways()[1:]
        chance.shuffle(ways)
        return [None, *(self._copy(image, ways[n % len(ways)], n + 1, chance) for n in range(self.copies))]

    def _copy(self, image: Shape, way: tuple[bool, int], number: int, chance: random.Random) -> Edit:
        mirror, turns = way
        factors = [round(1 + (2 * chance.random() - 1) * span, 4) for span in (self.brightness, self.contrast)]
        changed = replace(whole(image), mirror=mirror, quarter_turns=turns, tag=f".augmented{number}")
        return replace(changed, brightness=factors[0], contrast=factors[1])
