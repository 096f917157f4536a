"""What the analyses beyond the claims measure."""

from typing import Annotated

from pydantic import Field, model_validator

from asgd.settings.validation import Model


class SharpnessConfig(Model):
    """Where along which runs the sharpness is measured (table sharpness.csv)."""

    num_seeds: int = Field(3, ge=1, description="seeds: the first ones of the preset")
    num_workers: list[int] = Field([10, 30, 100], description="m measured beside m = 1, where the map has it")
    epochs: list[Annotated[float, Field(ge=0)]] = Field(
        [0, 0.25, 0.5, 1, 2, 3], min_length=1, description="when, ascending; those beyond a run's end are left out"
    )
    num_images: int = Field(500, ge=1, description="training images that the loss is taken over")

    @model_validator(mode="after")
    def _check_order(self) -> "SharpnessConfig":
        if self.epochs != sorted(set(self.epochs)):
            raise ValueError(f"epochs = {self.epochs}: give them in ascending order, each once")
        return self


class DeathConfig(Model):
    """How closely the runs that died are followed (tables death.csv and death_survey.csv)."""

    num_probes: int = Field(240, ge=1, description="probes along the one run that is dissected")
    survey_probes: int = Field(150, ge=1, description="probes along every run that died")
    num_images: int = Field(500, ge=1, description="test images for the logits, training images for the sharpness")
    sharpness_every: int = Field(
        10, ge=0, description="probes from one measurement of the sharpness to the next; 0: none"
    )


class AnalysesConfig(Model):
    """What the analyses beyond the claims measure; each trains a few runs again."""

    sharpness: SharpnessConfig = Field(default_factory=SharpnessConfig, description="the sharpness along training")
    death: DeathConfig = Field(default_factory=DeathConfig, description="how runs die")
