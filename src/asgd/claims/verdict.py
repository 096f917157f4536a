"""A verdict on a claim, and claims.json: numbers and names. The words are in ``asgd.claims.wording``."""

import math
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, field_validator, model_serializer

from asgd.settings.claims import ClaimsConfig
from asgd.settings.validation import validate

#: What is not applicable lacks runs; what cannot be tested has them, and nothing in them that could decide it. The last
#: three are for statements that are not the paper's; `ceiling`: both methods reach the most that was tried.
VerdictName = Literal[
    "reproduced",
    "not reproduced",
    "partly",
    "inconclusive",
    "not applicable",
    "cannot be tested",
    "supported",
    "contradicted",
    "ceiling",
]


class Verdict(BaseModel):
    """What the runs say about one claim of the paper. Undefined numbers (nan) become None."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    claim: str = Field(description="the id of the claim, as in C3b")
    variant: str = Field("", description="of C4 and C5 the kind of momentum, as in server-ema")
    setting: dict[str, float] = Field(
        default_factory=dict,
        description="where it was judged, as in {learning_rate: 0.02}; none in the first edition",
    )
    verdict: VerdictName
    effect: float | None = Field(None, description="the number that decides, in `unit`")
    unit: str = Field(
        "",
        description="unit of effect and interval: nats, points (of accuracy), probability, log ratio (natural; tables "
        "show the ratio), log10 ratio",
    )
    interval: tuple[float, float] | None = Field(None, description="interval of the effect")
    confidence: float | None = Field(None, description="level of the interval")
    p_value: float | None = Field(None, description="of the claim's test; None where the rule has none")
    p_adjusted: float | None = Field(None, description="Holm's adjustment over all verdicts that have a p-value")
    n: int = Field(0, ge=0, description="seeds that the verdict rests on (the fewest, of several comparisons)")
    details: dict[str, Any] = Field(default_factory=dict, description="everything computed on the way")

    @property
    def id(self) -> str:
        """The claim and its variant, as in C4-server-ema."""
        return f"{self.claim}-{self.variant}" if self.variant else self.claim

    @model_serializer(mode="wrap")
    def _leave_out_no_setting(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = write(self)
        return written if self.setting else {key: value for key, value in written.items() if key != "setting"}

    @field_validator("effect", "p_value", "p_adjusted", "details", mode="before")
    @classmethod
    def _drop_nan(cls, value: Any) -> Any:
        return _plain(value)

    @field_validator("interval", mode="before")
    @classmethod
    def _drop_undefined_interval(cls, value: Any) -> Any:
        return None if value is None or not all(math.isfinite(limit) for limit in value) else value


class Verdicts(BaseModel):
    """claims.json: all that tables of verdicts are made from, for the terminal, the web, the README and the report."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    margins: ClaimsConfig  #: with the edition of the rules
    verdicts: list[Verdict]  #: in the order of the claims


def claims_to_json(verdicts: Verdicts) -> dict[str, Any]:
    """The content of claims.json."""
    return verdicts.model_dump(mode="json")


def claims_from_json(content: Any, where: str = "claims.json") -> Verdicts:
    """What ``claims_to_json`` wrote. Raises AsgdError naming ``where`` if it is something else."""
    return validate(Verdicts, content, where)


def _plain(value: Any) -> Any:
    """``value`` as JSON has it: numbers that are not finite become None, arrays become lists."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):  # NumPy's scalars and arrays
        return _plain(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value
