"""The margins of the decision rules."""

from typing import Literal

from pydantic import Field, field_validator

from asgd.settings.run import Probability
from asgd.settings.validation import StrictModel, _refuse_repetition

#: The editions of the decision rules (`asgd.claims`).
EditionName = Literal["first", "second"]


class ClaimsConfig(StrictModel):
    """The margins of the decision rules, fixed before the runs are looked at."""

    edition: EditionName = Field("first", description="edition of the decision rules; a preset may name another")
    confidence: float = Field(
        0.95, gt=0.5, lt=1, description="level of the intervals (C2 and TOST use 90 %: two one-sided 5 % tests)"
    )
    slow_workers: list[int] = Field([1, 10, 20, 30], min_length=2, description="C1, C4: the m compared")
    gap_workers: tuple[int, int] = Field((1, 10), description="C2: the pair of m compared")
    gap_points: tuple[float, float] = Field(
        (2.0, 8.0), description="C2: range that counts as 'about 5', points of accuracy"
    )
    gap_share: float = Field(
        0.9, gt=0.5, le=1, description="C2: share of evaluations after the first epoch that must lie inside"
    )
    fail_workers: int = Field(100, gt=1, description="C3, C5: the m that does not train")
    some_fail_workers: int = Field(70, gt=1, description="C3b: the m at which some runs fail")
    momentum: Probability = Field(
        0.9, gt=0, description="C4, C5: b of the runs with momentum that are compared with those without"
    )
    equivalence_points: float = Field(2.0, gt=0, description="C4, C6b: margin of 'no difference', points of accuracy")

    _distinct_workers = field_validator("slow_workers")(_refuse_repetition)

    @field_validator("slow_workers")
    @classmethod
    def _check_ascent(cls, workers: list[int]) -> list[int]:
        if workers != sorted(workers):
            raise ValueError(f"{workers}: give them in ascending order")
        return workers

    @field_validator("gap_workers", "gap_points")
    @classmethod
    def _check_order(cls, pair: tuple[float, float]) -> tuple[float, float]:
        if pair[0] >= pair[1]:
            raise ValueError(f"{list(pair)}: the first must be smaller than the second")
        return pair
