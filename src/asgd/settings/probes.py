"""What a run is probed for along the way, and when."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, field_validator

from asgd.members import find_members
from asgd.settings.validation import StrictModel


@dataclass(frozen=True)
class Probe:
    """The declaration of a probe, in its file in ``asgd.simulator.probes``."""

    measures: str
    columns: dict[str, str]  #: of probes.csv, and what they hold
    images: str = ""  #: which images it looks at; empty if none


class ProbeConfig(StrictModel):
    """When a probe is taken, beside the last step of the run, and on how many images."""

    every: int | None = Field(None, ge=1, description="gradients from one to the next, the first before any")
    epochs: list[Annotated[float, Field(ge=0)]] = Field([], description="further times")
    num_images: int | None = Field(500, ge=1, description="images, the first ones; all where there are fewer, or null")

    @field_validator("epochs")
    @classmethod
    def _sort(cls, epochs: list[float]) -> list[float]:
        return sorted(set(epochs))  # one way to write them, so that runs share a folder

    def places(self, total: int, per_epoch: int) -> set[int]:
        """After how many gradients of a run the probe is taken: of ``total``, ``per_epoch`` of them in an epoch."""
        regular = range(0, total + 1, self.every) if self.every else ()
        further = (round(epoch * per_epoch) for epoch in self.epochs)
        return {total, *regular, *(place for place in further if place <= total)}


#: What is known of the gradients since the row before; every row of probes.csv has it.
_ROW = {
    "step": "server steps taken",
    "epoch": "passes over the training set: gradients / gradients in an epoch",
    "train_loss": "mean training loss since the row before, at the stale weights, nats; empty at step 0",
    "gradient_norm": "norm of the last step's gradient; empty at step 0",
    "zero_gradient_share": "share of gradients applied since the row before that were all zero; empty at step 0",
}


def list_probes() -> dict[str, Probe]:
    """All probes, by name."""
    return find_members("asgd.simulator.probes", Probe)


def describe_columns(names: Iterable[str]) -> dict[str, str]:
    """The columns of probes.csv of a run with the probes ``names``, and what they hold."""
    probes = list_probes()
    return _ROW | {column: text for name in sorted(names) for column, text in probes[name].columns.items()}
