"""Which schedule: whose gradient reaches the server next, and when."""

from typing import Literal

from pydantic import Field, model_validator

from asgd.settings.validation import StrictModel


class ScheduleConfig(StrictModel):
    """Whose gradient comes next. All but ``schedule`` is for `latency`."""

    schedule: Literal["round_robin", "random", "latency"] = Field(
        "round_robin",
        description="whose gradient comes next: worker k mod m; a worker drawn for each gradient; or the first to "
        "finish, where each gradient takes a random time of mean 1",
    )
    latency: Literal["gamma", "pareto"] = Field("gamma", description="latency: the distribution of a gradient's time")
    latency_cv: float = Field(
        1.0, ge=0, le=100, description="latency gamma: coefficient of variation; 0: all times equal; 1: exponential"
    )
    latency_shape: float = Field(1.5, gt=1, le=100, description="latency pareto: its shape; the tail is longer near 1")
    slow_share: float = Field(0.0, ge=0, le=1, description="latency: share of slow workers")
    slow_factor: float = Field(1.0, ge=1, le=1000, description="latency: how many times as long a slow worker takes")
    server_time: float = Field(
        0.0, ge=0, le=1000, description="latency: what the server takes for a message, in mean times of a gradient"
    )

    @model_validator(mode="after")
    def _refuse_without_effect(self) -> "ScheduleConfig":
        meant = {"schedule"}
        if self.schedule == "latency":
            other = {"gamma": "latency_shape", "pareto": "latency_cv"}[self.latency]
            meant = set(type(self).model_fields) - {other}
        for key in sorted(self.model_fields_set - meant):
            setting = f"latency = {self.latency}" if self.schedule == "latency" else f"schedule = {self.schedule}"
            raise ValueError(f"{key} means nothing with {setting}; leave it out")
        return self
