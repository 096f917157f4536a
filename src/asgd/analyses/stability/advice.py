"""Is it the learning rate, the delay, or a bug? A learning rate judged by the limit of stability."""

from dataclasses import asdict, dataclass
from typing import Any

from asgd.analyses.stability.limits import Limit, find_limit, is_exact
from asgd.analyses.stability.thresholds import find_threshold, gradient_share
from asgd.settings.run import RunConfig
from asgd.settings.schedule import ScheduleKeys

#: So near to the limit, as a share of it, a rate is marginal: a minimum is not quite a quadratic.
MARGIN = 0.05

_PLACES: dict[str, dict[str, Any]] = {
    "no momentum": {"momentum": 0.0},
    "at the server": {"momentum_where": "server"},
    "at each worker": {"momentum_where": "worker"},
}
_MOST_WORKERS = 1_000_000

_CAUSES = {
    "neither": "Neither rate nor delay is too large at this sharpness. If training fails, measure the sharpness where\n"
    "it fails; if it is below {most_sharpness:.3g} there, look for a bug, dead units or a fault of the data.",
    "learning rate": "It is the learning rate: it is too large even for one worker.",
    "momentum": "It is momentum with this delay: without it the workers would be stable at the same effective rate.",
    "longer steps": "It is momentum's longer steps, eta / (1 - b): without momentum this rate would be stable.",
    "delay": "It is the delay: one worker would be stable at this rate.",
}


@dataclass(frozen=True)
class Judgement:
    """A learning rate at a sharpness."""

    ratio: float  #: learning rate * sharpness over the limit
    verdict: str  #: stable, marginal or not stable
    cause: str  #: a key of ``_CAUSES``: where to look
    stable_rate: float  #: below it a learning rate is called stable
    stable_workers: int | None  #: so many workers would be stable (0: not even one); none where limits are simulated


@dataclass(frozen=True)
class Advice:
    """What stability allows. Limits are of learning rate * sharpness."""

    config: RunConfig
    limit: Limit
    one_worker: float  #: the limit without delay, with the same momentum
    places: dict[str, float]  #: limits in effective rate, eta / (1 - b), by where momentum lives; if there is any
    learning_rate: float | None
    sharpness: float | None
    judgement: Judgement | None  #: where there are a learning rate and a sharpness


def advise(config: RunConfig, learning_rate: float | None = None, sharpness: float | None = None) -> Advice:
    """The limit for the workers and the momentum of ``config``, and what follows for a rate, a ``sharpness`` or both.

    ``sharpness``: the curvature lambda, above 0. Raises AsgdError where there are too many workers to simulate.
    """
    limit = find_limit(config)
    one = find_threshold(1, config.momentum, config.momentum_where, config.momentum_convention)
    places = {}
    if config.momentum:
        for name, change in _PLACES.items():
            other = RunConfig.model_validate({**config.model_dump(), **change})
            places[name] = find_limit(other).threshold * _effective(other)
    judgement = None
    if learning_rate is not None and sharpness is not None:
        judgement = _judge(config, learning_rate * sharpness, sharpness, limit, one, places)
    return Advice(config, limit, one, places, learning_rate, sharpness, judgement)


def _effective(config: RunConfig) -> float:
    """The effective rate, eta / (1 - b) for the velocity's whole sum of gradients, over eta."""
    return gradient_share(config.momentum, config.momentum_convention) / (1 - config.momentum)


def _judge(
    config: RunConfig,
    x: float,
    sharpness: float,
    limit: Limit,
    one_worker: float,
    places: dict[str, float],
) -> Judgement:
    margin = max(MARGIN, limit.error / limit.threshold)
    ratio = x / limit.threshold
    verdict = "stable" if ratio < 1 - margin else "marginal" if ratio <= 1 + margin else "not stable"
    bare = places.get("no momentum", 0.0) * (1 - margin)
    causes = {  # the first that holds
        "neither": verdict == "stable",
        "learning rate": x >= (1 - margin) * one_worker,
        "momentum": x * _effective(config) < bare,
        "longer steps": x < bare,
        "delay": True,
    }
    cause = next(name for name, holds in causes.items() if holds)
    workers = _count_workers(config, x) if is_exact(config) else None
    return Judgement(ratio, verdict, cause, (1 - margin) * limit.threshold / sharpness, workers)


def _count_workers(config: RunConfig, x: float) -> int:
    """The most workers for which ``x`` is called stable, up to a million."""

    def is_stable(num_workers: int) -> bool:
        other = config.model_copy(update={"num_workers": num_workers})
        return x < (1 - MARGIN) * find_limit(other).threshold

    low, high = 0, 1
    while high <= _MOST_WORKERS and is_stable(high):
        low, high = high, 2 * high
    high = min(high, _MOST_WORKERS + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if is_stable(middle) else (low, middle)
    return low


def advice_to_json(advice: Advice) -> dict[str, Any]:
    """All numbers, for programs."""
    kind = advice.config.model_dump(include={"num_workers", "momentum", "momentum_where", "momentum_convention"})
    return {
        "settings": kind | advice.config.model_dump(include={*ScheduleKeys.model_fields}),
        "limit": asdict(advice.limit),
        "one_worker": advice.one_worker,
        "effective": advice.places,
        "learning_rate": advice.learning_rate,
        "sharpness": advice.sharpness,
        "judgement": asdict(advice.judgement) if advice.judgement else None,
    }


def format_advice(advice: Advice, source: str = "") -> str:
    """A few lines for an engineer. ``source``: where the sharpness comes from."""
    limit, workers = advice.limit, advice.config.num_workers
    error = f" +- {limit.error:.2g}" if limit.error else ""
    lines = [
        f"{_count(workers)}, {_name_schedule(advice.config)}, {_name_momentum(advice.config)}",
        f"largest stable learning rate x sharpness: {limit.threshold:.4g}{error} ({limit.method}); "
        f"with one worker: {advice.one_worker:.4g}",
    ]
    if limit.mean is not None:
        lines.append(f"  (the mean over the draws is stable up to {limit.mean:.4g}; single runs are not)")
    if limit.error:
        lines.append("  (8 paths, 95 % interval; the typical run is stable up to there, and may burst a little before)")
    if advice.places:
        limits = ", ".join(f"{name} {threshold:.4g}" for name, threshold in advice.places.items())
        lines.append(f"the same in effective rate, eta / (1 - b): {limits}")
    if advice.sharpness is not None:
        most = limit.threshold / advice.sharpness
        lines.append(f"sharpness {advice.sharpness:.4g}: the largest stable learning rate is {most:.4g}")
        lines += [f"  ({source})"] if source else []
    elif advice.learning_rate is not None:
        most = limit.threshold / advice.learning_rate
        lines.append(f"learning rate {advice.learning_rate:g}: stable up to a sharpness of {most:.4g}")
    if advice.judgement:
        lines += _format_judgement(advice, advice.judgement)
    return "\n".join(lines)


def _format_judgement(advice: Advice, found: Judgement) -> list[str]:
    most = advice.limit.threshold / (advice.learning_rate or 1.0)
    workers = f", or with at most {_count(found.stable_workers)} at this rate" if found.stable_workers else ""
    return [
        f"learning rate {advice.learning_rate:g}: {found.verdict.upper()}, {found.ratio:.3g} times the limit",
        f"stable with a learning rate below {found.stable_rate:.3g}{workers}",
        _CAUSES[found.cause].format(most_sharpness=most),
    ]


def _count(workers: int) -> str:
    return f"{workers:,} worker{'s' if workers > 1 else ''}"


def _name_schedule(config: RunConfig) -> str:
    named = [key for key in ScheduleKeys.model_fields if key == "schedule" or _is_given(config, key)]
    return " ".join(f"{key} {getattr(config, key)}" for key in named)


def _is_given(config: RunConfig, key: str) -> bool:
    return bool(getattr(config, key) != RunConfig.model_fields[key].default)


def _name_momentum(config: RunConfig) -> str:
    if not config.momentum:
        return "no momentum"
    where = "the server" if config.momentum_where == "server" else "each worker"
    return f"momentum {config.momentum:g} at {where} ({config.momentum_convention})"
