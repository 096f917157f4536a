"""What ``snakemake --config KEY=VALUE`` takes: values are checked, and the reference written, by one table."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from asgd.settings.validation import validate

#: The most runs of a job: they are handed over in one command, which Linux limits to 128 kB.
MOST_RUNS = 200


class WorkflowOptions(BaseModel):
    """How the workflow runs a study; what the study is stands in params.yaml.

    Booleans are true, yes, on and 1, and their opposites, in any case: Snakemake hands over text and numbers alike.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    preset: str | None = Field(None, description="which preset to run (default: the one that params.yaml names)")
    params: str = Field("params.yaml", min_length=1, description="another file of parameters")
    pdf: bool = Field(True, description="False: everything but the PDF, for which TeX is needed")
    shipped: bool = Field(False, description="True: from the tables that are there, without images, runs and training")
    runs_per_job: int | Literal["auto"] = Field(
        "auto", description="how many runs a training job has; auto: enough that its start is under a tenth of its time"
    )

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_nothing(cls, value: Any) -> Any:
        if value is None:  # preset=$PRESET where the variable is not set
            raise ValueError("is empty; give a value, or leave it out")
        return value

    @field_validator("runs_per_job", mode="plain")
    @classmethod
    def _check_number(cls, value: Any) -> Any:
        if value == "auto":
            return value
        if not (str(value).isdecimal() and 1 <= int(value) <= MOST_RUNS):
            raise ValueError(f"{value!r} is neither auto nor a whole number from 1 to {MOST_RUNS}")
        return int(value)


def read_options(config: Mapping[str, Any]) -> WorkflowOptions:
    """The options in Snakemake's ``config``. Raises AsgdError for an unknown key or a value that it cannot have."""
    return validate(WorkflowOptions, config, "--config")
