"""The words for claims and verdicts: plain text from the templates that stand beside each rule."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import Environment, StrictUndefined, Template

from asgd.claims.claim import Claim, find_claims
from asgd.claims.verdict import Verdict, VerdictName, Verdicts
from asgd.settings.claims import ClaimsConfig

#: Phrases that several templates use, as `say.NAME(...)`.
_PHRASES = """
{% macro values(name, values) -%} {{ name }} = {{ values | map("num", "g") | join(", ") }} {%- endmacro %}
{% macro tested(found) -%}
    {%- if found.tested -%} tested at {{ values("m", found.tested) }} {%- endif -%}
    {%- if found.tested and found.absent %}; {% endif -%}
    {%- if found.absent -%} no runs at {{ values("m", found.absent) }} {%- endif -%}
{%- endmacro %}
{% macro no_interval(n) -%}
    {%- if n > 1 -%} the differences of all {{ n }} seeds are equal, so there is no interval
    {%- else -%} fewer than two paired seeds give no interval
    {%- endif -%}
{%- endmacro %}
{% macro same_steps(found) -%}
    it takes the same steps, up to rounding, as {{ found.same_steps_as }}, and is judged there
{%- endmacro %}
{% macro same_rate(margins) -%}
    {%- set place = margins.second.same_rate -%}
    {%- if place -%}
        Also judged at learning rate {{ place.learning_rate | num("g") }}, {{ place.epochs | num("g") }} epochs.
    {%- endif -%}
{%- endmacro %}
{% macro size(found, unit) -%}
    {{ found.mean | size(none if found.low is none else [found.low, found.high], unit) }}
    {%- if found.low is none %} (no interval) {%- endif -%}
{%- endmacro %}
{% macro ended(counts, all=false) -%}
    {%- set words = {"trained": "trained", "plateau": "stayed at a plateau", "dead": "died"} -%}
    {%- set words = dict(words, non_finite="overflowed") -%}
    {%- set parts = [] -%}
    {%- for outcome, word in words.items() if counts[outcome] or all -%}
        {%- set _ = parts.append(counts[outcome] ~ " " ~ word) -%}
    {%- endfor -%}
    {{ parts | listed }}
{%- endmacro %}
"""

#: Back from the logarithm of a ratio, by the unit of an effect.
_EXPONENTIALS: dict[str, Callable[[float], float]] = {"log ratio": math.exp, "log10 ratio": lambda value: 10.0**value}

#: How a verdict's setting is said, where that is not the key and its value.
_SETTING = {"epochs": "{:g} epochs", "steps": "{:,} steps", "momentum_rate": "with momentum at {:g}"}


class Absent(StrictUndefined):
    """A name that a template may ask for, but not print."""

    __slots__ = ()

    def __bool__(self) -> bool:  # type: ignore[override]
        return False


@dataclass(frozen=True)
class Row:
    """A verdict as tables of verdicts show it: its numbers, and all words."""

    id: str
    claim: str
    statement: str
    verdict: VerdictName
    size: str  #: effect, unit and interval; empty without an effect
    named_size: str  #: the same, to stand after `effect`
    unit: str  #: of the effect; empty without one
    effect: str  #: what the effect is; empty without one
    confidence: float | None  #: level of the interval; None without one
    p_value: float | None
    p_adjusted: float | None  #: the p-value itself where it was not adjusted
    n: int
    reason: str  #: after the setting, of a verdict that has one


def tabulate_verdicts(verdicts: Verdicts) -> list[Row]:
    """The one table of verdicts, for the terminal, the web, the README and the report."""
    claims = find_claims(verdicts.margins.edition)
    return [_describe(verdict, claims[verdict.claim], verdicts.margins) for verdict in verdicts.verdicts]


def state(claim: Claim, margins: ClaimsConfig) -> str:
    """What the paper says."""
    return render(claim.statement, margins=margins)


def describe_rule(claim: Claim, margins: ClaimsConfig) -> str:
    """When which verdict is given."""
    return render(claim.rule, margins=margins)


def explain(verdict: Verdict, margins: ClaimsConfig) -> str:
    """Why the verdict is what it is."""
    return _fill(find_claims(margins.edition)[verdict.claim].reason, verdict, margins)


def format_size(verdict: Verdict, named: bool = False) -> str:
    """Effect, unit and interval, as in ``+0.12 nats [+0.08, +0.16]``; empty without an effect.

    ``named``: what the effect is stands before it, so that of a probability the unit is left out.
    """
    if verdict.effect is None:
        return ""
    return format_estimate(verdict.effect, verdict.interval, verdict.unit, named)


def format_estimate(effect: float, interval: Sequence[float] | None, unit: str, named: bool = False) -> str:
    """``+0.12 nats [+0.08, +0.16]``; of the logarithm of a ratio, the ratio: ``8.21 times [7.45, 9.05]``.

    ``named`` as for ``format_size``.
    """
    spec = {"probability": "z.2f", "points": "+z.1f", "of the limit": "z.2f"}.get(unit, "+z.3f")
    if undo := _EXPONENTIALS.get(unit):
        effect, interval = undo(effect), interval and [undo(limit) for limit in interval]
        spec, unit = "#.3g", "times"
    shown = "" if named and unit == "probability" else f" {unit}"
    limits = f" {format_interval(interval, spec)}" if interval else ""
    return f"{format_number(effect, spec)}{shown}{limits}"


def format_setting(setting: Mapping[str, float]) -> str:
    """``at learning rate 0.02, 3 epochs``; empty without a setting."""
    parts = [_SETTING.get(key, key.replace("_", " ") + " {:g}").format(value) for key, value in setting.items()]
    return f"at {', '.join(parts)}" if parts else ""


def format_number(value: Any, spec: str) -> str:
    """As Python formats it (`z`: never -0.0); words stay words, and what is undefined is a dash."""
    return "-" if value is None else value if isinstance(value, str) else format(value, spec)


def format_interval(limits: Sequence[float], spec: str) -> str:
    """``[0.02, 0.40]``."""
    return f"[{', '.join(format_number(limit, spec) for limit in limits)}]"


def format_percent(share: float, spec: str = ".0f") -> str:
    """A share in [0, 1] in per cent, with its sign."""
    return f"{round(100 * share, 9):{spec}}\N{NO-BREAK SPACE}%"  # 1 - 0.9 is a little less than 0.1


def list_words(items: Sequence[Any], last: str = "and") -> str:
    """``1, 2 and 3``."""
    words = [f"{item:g}" if isinstance(item, float) else str(item) for item in items]
    return f" {last} ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


FILTERS = {
    "num": format_number,
    "between": format_interval,
    "percent": format_percent,
    "listed": list_words,
    "size": format_estimate,
}


@cache
def make_environment() -> Environment:
    """What templates of plain text know: ``FILTERS``, and phrases as `say`."""
    environment = Environment(undefined=Absent, autoescape=False)
    environment.filters |= FILTERS
    environment.globals["say"] = environment.from_string(_PHRASES).module
    return environment


def render(template: str, **names: Any) -> str:
    """Plain text on one line."""
    return re.sub(r"[ \n]+", " ", _compile(template).render(names)).strip()


@cache
def _compile(template: str) -> Template:
    return make_environment().from_string(template)


def _fill(template: str, verdict: Verdict, margins: ClaimsConfig) -> str:
    return render(template, margins=margins, found=verdict.details, **dict(verdict))


def _describe(verdict: Verdict, claim: Claim, margins: ClaimsConfig) -> Row:
    known, setting = verdict.effect is not None, format_setting(verdict.setting)
    reason = _fill(claim.reason, verdict, margins)
    return Row(
        id=verdict.id,
        claim=verdict.claim,
        statement=state(claim, margins),
        verdict=verdict.verdict,
        size=format_size(verdict),
        named_size=format_size(verdict, named=True),
        unit=verdict.unit if known else "",
        effect=_fill(claim.effect, verdict, margins) if known else "",
        confidence=verdict.confidence if known and verdict.interval else None,
        p_value=verdict.p_value,
        p_adjusted=verdict.p_value if verdict.p_adjusted is None else verdict.p_adjusted,
        n=verdict.n,
        reason=f"{setting}: {reason}" if setting else reason,
    )
