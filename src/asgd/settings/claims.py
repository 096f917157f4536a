"""The margins of the decision rules."""

from typing import Annotated, Any, Literal, get_args

from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer

from asgd.settings.parameters import takes
from asgd.settings.run import Probability
from asgd.settings.statements import StatementMargins
from asgd.settings.validation import StrictModel, _refuse_descent, _refuse_repetition

#: The editions of the decision rules (`asgd.claims`).
EditionName = Literal["first", "second"]


class SameRate(StrictModel):
    """One learning rate for the runs with and without momentum, at which the first edition saw momentum decide."""

    learning_rate: float = Field(0.02, description="eta of both arms")
    epochs: float = Field(3.0, description="their length, passes over the training set")
    momentum_where: Literal["server", "worker"] = Field("worker", description="who keeps the velocity")
    momentum_convention: Literal["pytorch", "ema"] = Field("ema", description="how it is averaged")

    _known_rate = field_validator("learning_rate")(takes("learning_rate"))
    _known_length = field_validator("epochs")(takes("epochs"))


class SecondMargins(StrictModel):
    """What the second edition of the rules has beside the margins that both use."""

    same_rate: SameRate | None = Field(
        default_factory=SameRate,
        description="C3, C4, C5, C5b: also judged at this learning rate; null: only at the study's own",
    )
    some_fail_seeds: int = Field(
        40, ge=2, description="C3b: number of seeds that must train before the claim is not reproduced"
    )
    rescue_points: float = Field(5.0, gt=0, description="C5b, E8: what 'dramatically' means, points of accuracy")
    matched_dropout: list[tuple[int, Probability]] = Field(
        [(10, 0.3), (30, 0.5)],
        min_length=1,
        description="C6: pairs of m and the p whose accuracy came closest in the first edition",
    )
    match_window: float = Field(
        1.0,
        gt=0,
        description="C6b: epochs over which accuracies are averaged before they are compared; 0.25 compares each of "
        "four evaluations per epoch",
    )
    gap_epochs: float = Field(30.0, gt=0, description="C6c: length of the runs whose train-test gap is compared")
    time_workers: tuple[int, int] = Field((1, 10), description="C7: the pair of m compared")
    time_accuracy: float = Field(0.5, gt=0, lt=1, description="C7, E4: the test accuracy to which the time is taken")
    time_evaluations: int = Field(20, ge=1, description="C7: evaluations per epoch of the runs compared")
    time_censored: int = Field(2, ge=0, description="C7, E4: the most seeds that may never reach it")
    server_times: list[Annotated[float, Field(gt=0)]] = Field(
        [0.02, 0.1], description="C7: the server's time for a message in the variants, in mean times of a gradient"
    )
    generalisation_images: int = Field(2000, ge=1, description="C8: training images of the runs compared")
    generalisation_loss: float = Field(
        0.5,
        gt=0,
        description="C8: training loss down to which full-batch descent is run, nats; no lower loss is compared",
    )
    generalisation_limit: float = Field(
        1.0, gt=0, description="C8: training loss at the end above which full-batch descent has not trained, nats"
    )
    generalisation_steps: int = Field(20_000, ge=1, description="C8: the most steps of full-batch descent")
    full_batch_rate: float | None = Field(
        None, description="C8: learning rate of full-batch descent, from the calibration; null: not judged"
    )

    statements: StatementMargins = Field(default_factory=StatementMargins, description="E1 to E9")

    _distinct_times = field_validator("server_times")(_refuse_repetition)
    _ascending_pair = field_validator("time_workers")(_refuse_descent)
    _known_workers = field_validator("time_workers")(takes("num_workers"))
    _known_rate = field_validator("full_batch_rate")(takes("learning_rate"))

    @field_validator("matched_dropout")
    @classmethod
    def _check_pairs(cls, pairs: list[tuple[int, float]]) -> list[tuple[int, float]]:
        if len({m for m, _ in pairs}) < len(pairs) or any(m < 2 or p == 0 for m, p in pairs):
            raise ValueError(f"{pairs}: give each m above 1 once, with a p above 0")
        takes("num_workers")([m for m, _ in pairs])
        return pairs


class ClaimsConfig(StrictModel):
    """The margins of the decision rules, fixed before the runs are looked at."""

    edition: EditionName = Field("first", description="edition of the decision rules; a preset may name another")
    confidence: float = Field(
        0.95,
        gt=0.5,
        lt=1,
        description="level of the verdicts' intervals (C2 and TOST use 90 %: two one-sided 5 % tests)",
    )
    slow_workers: list[int] = Field([1, 10, 20, 30], min_length=2, description="C1, C4: the m compared")
    gap_workers: tuple[int, int] = Field((1, 10), description="C2: the pair of m compared")
    gap_points: tuple[float, float] = Field(
        (2.0, 8.0), description="C2: range that counts as 'about 5', points of accuracy"
    )
    gap_share: float = Field(
        0.9,
        gt=0.5,
        le=1,
        description="C2 and C6, first edition only: share of evaluations after epoch 1 that must lie inside",
    )
    fail_workers: int = Field(100, gt=1, description="C3, C5, C5b: the m that does not train")
    some_fail_workers: int = Field(70, gt=1, description="C3b, C5b: the m at which some runs fail")
    momentum: Probability = Field(
        0.9, gt=0, description="C4, C5, C5b: b of the runs with momentum that are compared with those without"
    )
    equivalence_points: float = Field(2.0, gt=0, description="C4, C6b: margin of 'no difference', points of accuracy")
    second: SecondMargins = Field(default_factory=SecondMargins, description="of the second edition only")

    @model_serializer(mode="wrap")
    def _leave_out_other_editions(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Margins that this edition has not are none of its claims.json."""
        written: dict[str, Any] = write(self)
        others = {name for name in get_args(EditionName) if name != self.edition}
        return {key: value for key, value in written.items() if key not in others}

    _distinct_workers = field_validator("slow_workers")(_refuse_repetition)
    _ascending_pair = field_validator("gap_workers", "gap_points")(_refuse_descent)
    _known_workers = field_validator("slow_workers", "gap_workers", "fail_workers", "some_fail_workers")(
        takes("num_workers")
    )

    @field_validator("slow_workers")
    @classmethod
    def _check_ascent(cls, workers: list[int]) -> list[int]:
        if workers != sorted(workers):
            raise ValueError(f"{workers}: give them in ascending order")
        return workers
