"""A verdict on a claim: its form, its JSON and its table for the terminal."""

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator
from rich.console import Console
from rich.table import Table

from asgd.settings.claims import EditionName
from asgd.settings.validation import validate

VerdictName = Literal["reproduced", "not reproduced", "partly", "inconclusive", "not applicable"]


class Verdict(BaseModel):
    """What the runs say about one claim of the paper. Undefined numbers (nan) become None."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    id: str = Field(description="C1 to C6; C4 and C5 carry the momentum convention, as in C5-server-ema")
    claim: str = Field(description="the paper's statement, in short")
    verdict: VerdictName
    effect: float | None = Field(None, description="the number that decides, in `unit`")
    unit: str = Field("", description="unit of effect and interval: nats, points (of accuracy) or probability")
    effect_name: str = Field("", description="what the effect is")
    interval: tuple[float, float] | None = Field(None, description="interval of the effect")
    confidence: float | None = Field(None, description="level of the interval")
    p_value: float | None = Field(None, description="of the claim's test; None where the rule has none")
    p_adjusted: float | None = Field(None, description="Holm's adjustment over all verdicts that have a p-value")
    n: int = Field(0, ge=0, description="seeds that the verdict rests on (the fewest, of several comparisons)")
    reason: str = Field(description="why, in one sentence")
    details: dict[str, Any] = Field(default_factory=dict, description="everything computed on the way")

    @field_validator("effect", "p_value", "p_adjusted", "details", mode="before")
    @classmethod
    def _drop_nan(cls, value: Any) -> Any:
        return _plain(value)

    @field_validator("interval", mode="before")
    @classmethod
    def _drop_undefined_interval(cls, value: Any) -> Any:
        return None if value is None or not all(math.isfinite(limit) for limit in value) else value


class _Claims(BaseModel):
    """claims.json. Without an edition it is of the time when there was only the first."""

    edition: EditionName = "first"
    verdicts: list[Verdict]


def claims_to_json(verdicts: Sequence[Verdict], edition: EditionName) -> dict[str, Any]:
    """The content of claims.json: the edition of the rules, and the verdicts by it, in the order of the claims."""
    return {"edition": edition, "verdicts": [verdict.model_dump(mode="json") for verdict in verdicts]}


def claims_from_json(content: Mapping[str, Any], where: str = "claims.json") -> list[Verdict]:
    """The verdicts of what ``claims_to_json`` made. Raises AsgdError naming ``where`` if it is something else."""
    return validate(_Claims, content, where).verdicts


def format_claims(verdicts: Sequence[Verdict], width: int = 140) -> str:
    """A table for the terminal, ``width`` characters wide, without colours."""
    table = Table(show_lines=True)
    for heading in ("claim", "verdict", "effect", "p (Holm)", "n"):
        table.add_column(heading, overflow="fold")
    table.add_column("reason", overflow="fold", ratio=1)
    for verdict in verdicts:
        cells = (verdict.verdict, format_effect(verdict), _format_p(verdict), str(verdict.n), verdict.reason)
        table.add_row(f"{verdict.id}\n{verdict.claim}", *cells)
    console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=False)
    with console.capture() as capture:
        console.print(table, markup=False)
    return capture.get()


def format_effect(verdict: Verdict) -> str:
    """Effect, unit and interval, as in ``+0.12 nats [+0.08, +0.16]``; a dash if there is none."""
    if verdict.effect is None:
        return "-"
    sign, digits = ("", 2) if verdict.unit == "probability" else ("+", 1 if verdict.unit == "points" else 3)
    style = f"{sign}z.{digits}f"  # z: never -0.0
    limits = f" [{verdict.interval[0]:{style}}, {verdict.interval[1]:{style}}]" if verdict.interval else ""
    return f"{verdict.effect:{style}} {verdict.unit}{limits}"


def _format_p(verdict: Verdict) -> str:
    if verdict.p_value is None:
        return "-"
    adjusted = verdict.p_value if verdict.p_adjusted is None else verdict.p_adjusted
    return f"{verdict.p_value:.2g} ({adjusted:.2g})"


def _plain(value: Any) -> Any:
    """``value`` as JSON has it: numbers that are not finite become None, arrays become lists."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):  # NumPy's scalars and arrays
        return _plain(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value
