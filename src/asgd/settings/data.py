"""Where the images come from."""

from typing import Literal

from pydantic import Field, model_validator

from asgd.settings.run import Seed
from asgd.settings.validation import StrictModel


class DataConfig(StrictModel):
    """Where the images come from."""

    source: Literal["cifar10", "image_folder", "synthetic"] = Field(
        "cifar10",
        description="cifar10: the official archive, which is downloaded and verified; image_folder: a folder or tar "
        "archive with train/<class>/* and test/<class>/*, 32x32 RGB; synthetic: generated from a seed, without a "
        "network",
    )
    path: str | None = Field(
        None,
        min_length=1,
        description="the image folder or archive; for cifar10: a local copy of the official archive",
    )
    sha256: str | None = Field(
        None,
        pattern="^[0-9a-f]{64}$",
        description="expected SHA-256 of the archive at `path`; a different archive is an error",
    )
    num_train: int = Field(
        4000, gt=0, le=1_000_000, multiple_of=10, description="number of training images (only for synthetic)"
    )
    num_test: int = Field(
        1000, gt=0, le=1_000_000, multiple_of=10, description="number of test images (only for synthetic)"
    )
    seed: Seed = Field(0, description="seed of the generator (only for synthetic)")

    @model_validator(mode="after")
    def _check_path(self) -> "DataConfig":
        if self.source == "image_folder" and self.path is None:
            raise ValueError("path is missing: source image_folder needs the folder or the tar archive")
        return self
