"""The margins of the statements that are not the paper's: E1 to E9."""

from typing import Any, Literal

from pydantic import Field, field_validator

from asgd.settings.parameters import takes
from asgd.settings.validation import StrictModel, _refuse_descent, _refuse_repetition

#: By what a calibration chooses among learning rates: the mean final accuracy, the same among the first three rates,
#: the mean logarithm of the time to an accuracy, or the mean final loss on the training subset.
Criterion = Literal["accuracy", "few rates", "time", "loss"]


class StatementMargins(StrictModel):
    """What the rules of the statements E1 to E9 compare, and their margins."""

    calibrated: dict[Criterion, list[dict[str, Any]]] = Field(
        default_factory=dict,
        description="the arms at the learning rates that the calibration chose, by what it chose them: filled in from "
        "the experiments of the preset that say so by `calibrated`",
    )
    spread_schedule: str = Field("random", description="E1: the schedule with spread-out delays")
    spread_workers: list[int] = Field([30, 100], min_length=1, description="E1: the m compared")
    compensated_workers: list[int] = Field([10, 30, 100], min_length=1, description="E2: the m compared")
    least_correction: float = Field(
        0.01, ge=0, description="E2: size of the correction, relative to the gradient's, below which nothing is tested"
    )
    growing_workers: list[int] = Field([10, 30, 100, 300, 1000], min_length=2, description="E3: the m compared")
    kept_accuracy: float = Field(
        0.8, gt=0, le=1, description="E3: share of the accuracy at the smallest m that a method must keep"
    )
    straggler_workers: list[int] = Field([10, 30], min_length=1, description="E4: the m compared")
    straggler_shape: float = Field(1.5, description="E4: shape of the Pareto times")
    edge_workers: list[int] = Field([1, 2, 5, 10, 30], min_length=1, description="E5: the m compared")
    edge_range: tuple[float, float] = Field(
        (0.9, 1.5), description="E5: sharpness over its limit that counts as at the edge"
    )
    batch_sizes: list[int] = Field([1, 4, 16, 64, 256], min_length=2, description="E6: the mini-batches compared")
    batch_workers: tuple[int, int] = Field((1, 30), description="E6: the pair of m between which accuracy is lost")
    trained_share: float = Field(
        0.9, gt=0, le=1, description="E6: share of the runs at the larger m that must train for a batch to count"
    )
    least_batches: int = Field(3, ge=2, description="E6: fewer batches that count are inconclusive")
    remedy_workers: list[int] = Field([30, 100], min_length=1, description="E7: the m of the ranking")
    other_network: str = Field("resnet8", description="E8: the network")
    other_batch_size: int = Field(128, description="E8: its mini-batch")
    other_workers: list[int] = Field([1, 4, 16], min_length=2, description="E8: the m compared; C5b at the largest")

    _distinct = field_validator(
        "spread_workers",
        "compensated_workers",
        "growing_workers",
        "straggler_workers",
        "edge_workers",
        "batch_sizes",
        "remedy_workers",
        "other_workers",
    )(_refuse_repetition)

    _ascending_pairs = field_validator("edge_range", "batch_workers")(_refuse_descent)
    _known_workers = field_validator(
        "spread_workers",
        "compensated_workers",
        "growing_workers",
        "straggler_workers",
        "edge_workers",
        "batch_workers",
        "remedy_workers",
        "other_workers",
    )(takes("num_workers"))
    _known_batches = field_validator("batch_sizes", "other_batch_size")(takes("batch_size"))
    _known_schedule = field_validator("spread_schedule")(takes("schedule"))
    _known_network = field_validator("other_network")(takes("network"))
    _known_shape = field_validator("straggler_shape")(takes("latency_shape", schedule="latency", latency="pareto"))

    @field_validator("growing_workers", "batch_sizes", "other_workers")
    @classmethod
    def _check_ascent(cls, values: Any) -> Any:
        if list(values) != sorted(values):
            raise ValueError(f"{list(values)}: give them in ascending order")
        return values
