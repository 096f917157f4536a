"""An order to train a run: what `asgd train` takes, as a line of JSON or as flags."""

from pydantic import Field

from asgd.settings.data import DataConfig
from asgd.settings.run import RunConfig
from asgd.settings.validation import StrictModel


class Order(StrictModel):
    """A run to train, its images, and where its results go."""

    run: RunConfig = Field(default_factory=RunConfig, description="the run's configuration")
    data: DataConfig = Field(default_factory=DataConfig, description="its images")
    out: str | None = Field(None, min_length=1, description="folder for the results (default: results/runs/<run>)")

    @property
    def label(self) -> str:
        """What people are shown of it, and its log is called: the folder's name, or without one the run's settings."""
        return self.out.rstrip("/").rpartition("/")[2] if self.out else f"{self.run.slug()}-{self.run.arm()}"

    def to_json(self) -> str:
        """One line that `asgd train --each` reads as this order; keys at their defaults are left out."""
        return self.model_dump_json(exclude_defaults=True)
