"""The keys of the schedule `latency` that describe a recorded run of real workers.

Assumed is what that schedule simulates: own times of workers are gamma distributed with one coefficient of variation,
workers are of two kinds at most, and the server takes the same time for each message, first come, first served. Then
the gaps between hearings are at least that time, and equal to it while messages wait: gaps pile up there. After a
longer gap the server was idle, and the own time of the worker heard is its cycle (from hearing to hearing) less the
server's time. Of a worker that waited only an interval is known. Means and coefficient of variation are those of
greatest likelihood. Cycles with a pause of the server (an evaluation) are left out where the pause can be seen; and of
the longest tenth of own times only that they are long counts, for the pauses that cannot.

What cannot be told: own times behind a server that is hardly ever idle (an error); the server's time where no message
waits; the mean of a server's time that varies (by 30 %: it is found a quarter to two fifths too small); and kinds of
workers that differ by less than a factor of 1.2. Workers that take turns evenly may wait for the server or for nobody.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

from asgd.analyses.recorded_times import NEEDED, NEEDED_EACH, Array, Places, Recording, find_before, find_pauses
from asgd.errors import AsgdError
from asgd.simulator.schedules.latency import Latency

#: Workers whose times differ by less are of one kind.
SMALLEST_FACTOR = 1.2

_MOST = 20_000  # gradients; more would take long and tell nothing new
_EXACT = 0.001  # relative spread below which times are equal
_WIDTHS = (1.001, 1.02, 1.1)  # of a pile of gaps: the largest by the smallest
_VARIES = 1.5  # the same where the server's times vary


@dataclass(frozen=True)
class LatencyFit:
    """What describes a recording."""

    keys: dict[str, Any]  #: of a run
    unit: float  #: seconds that a gradient takes on an ordinary worker in the mean
    recorded: tuple[float, float, float]  #: staleness in gradients: mean, spread; gradients per second
    simulated: tuple[float, float, float]  #: the same with ``keys``
    num_gradients: int
    num_workers: int
    most_server_time: float  #: in units; 0.1 % of the times between hearings are shorter

    @property
    def is_poor(self) -> bool:
        """Whether the simulation differs by more than chance would, with a tenth to spare."""
        (mean, spread, rate), (_, simulated_spread, simulated_rate) = self.recorded, self.simulated
        chance = 1 + (NEEDED / self.num_gradients) ** 0.5
        other_spread = abs(spread - simulated_spread) > 0.1 * chance * (max(mean, 1) + spread)
        return bool(other_spread or abs(rate / simulated_rate - 1) > 0.1 * chance)


def fit_latency(recording: Recording, name: str) -> LatencyFit:
    """The keys that describe ``recording``. Raises AsgdError, which names ``name``, where the server was never idle."""
    part = Recording(
        recording.worker[:_MOST], recording.time[:_MOST], recording.usual[:_MOST], num_workers=recording.num_workers
    )
    gaps = np.diff(part.time)
    service, queued = find_service(gaps)
    low, high, worker = bound_own_times(part, service, queued)
    if (low == high).sum() < max(NEEDED / 4, 0.02 * len(low)):
        raise AsgdError(
            f"{name}: the server was almost never idle (it hears a gradient in {np.median(gaps):.3g} s), which hides "
            "the workers' times; record a run with fewer workers"
        )
    slow = split_workers(worker, low, high, part.num_workers)
    unit, factor, cv = fit_gamma(low, high, slow[worker])
    keys: dict[str, Any] = {"schedule": "latency", "latency_cv": _round(cv)}
    keys["slow_share"] = round(float(slow.mean()), 4)
    if slow.any():
        keys["slow_factor"] = _round(factor)
    keys["server_time"] = _round(service / unit)
    recorded = describe(part)
    mean, spread, rate = simulate(keys, part.num_workers, len(part.worker))
    most = float(np.quantile(gaps, 0.001)) / unit
    return LatencyFit(keys, unit, recorded, (mean, spread, rate / unit), len(recording.worker), part.num_workers, most)


def format_fit(fit: LatencyFit) -> str:
    """The keys as lines of params.yaml; what else there is to say in comments."""
    (mean, spread, rate), (simulated_mean, simulated_spread, simulated_rate) = fit.recorded, fit.simulated
    lines = [f"{key}: {value}" for key, value in fit.keys.items()]
    lines += [
        f"# unit of time: {fit.unit:.4g} s, the mean time of a gradient on an ordinary worker",
        f"# from {fit.num_gradients:,} gradients of {fit.num_workers} workers; recorded | simulated with these values:",
        f"#   staleness, mean        {mean:.2f} | {simulated_mean:.2f}",
        f"#   staleness, spread      {spread:.2f} | {simulated_spread:.2f}",
        f"#   gradients per second   {rate:.4g} | {simulated_rate:.4g}",
    ]
    if fit.keys["server_time"] == 0:
        lines.append(f"# no message was seen to wait: server_time is not known, but at most {fit.most_server_time:.2g}")
    if fit.is_poor:
        lines.append(
            "# a poor fit: times may have a longer tail (latency: pareto), change, or depend on one another "
            "(shared processors)"
        )
    return "\n".join(lines)


def find_service(gaps: Array) -> tuple[float, float]:
    """What the server takes for a message, and the largest gap after which one waited; both 0 for no sign of it.

    A sign is a pile of gaps: within a few per cent, with three times as many as next to it, and few below. Or, where
    the server's times vary, that the shortest gaps, drawn on in a straight line, end far above 0.
    """
    ordered = np.sort(gaps)
    shortest, short = np.quantile(ordered, [0.005, 0.02])
    if shortest <= 0:
        return 0.0, 0.0
    places = np.arange(len(ordered))
    for width in _WIDTHS:
        inside = np.searchsorted(ordered, width * ordered, "right") - places
        beside = np.searchsorted(ordered, (2 * width - 1) * ordered, "right") - places - inside
        piles = (inside >= max(10, 0.005 * len(gaps))) & (inside >= 3 * beside) & (inside >= 5 * places)
        if piles.any():
            first = int(np.argmax(np.where(piles, inside, 0)))
            pile = ordered[first : first + inside[first]]
            return float(np.median(pile)), float(pile[-1])
    end = shortest - (short - shortest) / 3
    if end < 0.5 * short:
        return 0.0, 0.0
    queued = _VARIES * float(end)
    return float(np.median(ordered[ordered <= queued])), queued


def bound_own_times(part: Recording, service: float, queued: float) -> tuple[Array, Array, Places]:
    """What is known of own times: lower and upper bounds, equal where the server was idle, and workers; [k] each."""
    gaps = np.diff(part.time, prepend=-np.inf)
    idle = gaps > queued
    # Before they are served; whoever waits came after the first of those that did, and before the one served last.
    arrival = part.time - service
    first = np.maximum.accumulate(np.where(idle, np.arange(len(gaps)), 0))
    start = part.time[part.before]
    low = np.where(idle, arrival, np.maximum(arrival[first], start)) - start
    high = np.where(idle, arrival, np.maximum(np.maximum(np.roll(part.time, 1), arrival), start)) - start
    pauses = np.cumsum(find_pauses(part))
    usual = part.usual & (high > 0) & (pauses == pauses[part.before])
    return np.clip(low, 0, high)[usual], high[usual], part.worker[usual]


def split_workers(worker: Places, low: Array, high: Array, num_workers: int) -> NDArray[np.bool_]:
    """Which workers are slow [m]: none, unless two kinds explain the mean times better than noise can.

    Two kinds explain no more than all that workers differ in, and of that noise makes chi-squared with m - 1 degrees of
    freedom.
    """
    slow = np.zeros(num_workers, bool)
    times = [((low + high) / 2)[worker == w] for w in range(num_workers)]
    seen = np.array([w for w in range(num_workers) if len(times[w]) >= NEEDED_EACH / 2])
    if len(seen) < 2:
        return slow
    # Without the longest twentieth, so that a pause does not count; that makes the spread smaller, which 1.3 mends.
    kept = [np.sort(times[w])[: int(np.ceil(0.95 * len(times[w])))] for w in seen]
    spread = 1.3 * float(np.median([np.std(own) / np.mean(own) for own in kept]))
    weight = np.array([len(own) for own in kept]) / max(spread, _EXACT) ** 2
    value = np.log([np.mean(own) for own in kept])
    order = np.argsort(value)
    value, weight = value[order], weight[order]
    ordinary, total = np.cumsum(weight)[:-1], weight.sum()
    mean = np.cumsum(weight * value)[:-1] / ordinary
    apart = ((weight * value).sum() - ordinary * mean) / (total - ordinary) - mean
    explained = np.where(apart > np.log(SMALLEST_FACTOR), ordinary * (1 - ordinary / total) * apart**2, 0.0)
    cut = int(np.argmax(explained))
    if explained[cut] > stats.chi2.isf(1e-4, len(seen) - 1):
        slow[seen[order[cut + 1 :]]] = True
        if low[slow[worker]].mean() <= high[~slow[worker]].mean():  # it may be the queue alone
            slow[:] = False
    return slow


def fit_gamma(low: Array, high: Array, slow: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Mean of ordinary times, how many times as long slow ones are, and coefficient of variation."""
    low, high = low.copy(), high.copy()
    exact = low == high
    kinds = [~slow, slow] if slow.any() else [~slow]
    for kind in kinds:
        most = np.quantile(high[kind], 0.9)
        long = kind & (high > most)
        low[long], high[long] = np.minimum(low[long], most), np.inf
    exact &= np.isfinite(high)
    # To begin with: medians of each kind, of exact times where there are any.
    medians = [float(np.median(low[kind & exact] if (kind & exact).any() else high[kind])) for kind in kinds]
    scale, factor = medians[0], medians[-1] / medians[0]
    spread = float(np.std(low[exact] / np.where(slow, medians[-1], scale)[exact]))
    if spread < _EXACT:
        return scale, factor, 0.0

    def cost(given: Array) -> float:
        shape = np.exp(-2 * given[0])
        mean = scale * np.exp(given[1] + np.where(slow, given[2] if len(given) > 2 else 0.0, 0.0))
        if not 1e-3 < shape < 1e7:
            return np.inf
        x, y = shape * low / mean, shape * high / mean
        density = stats.gamma.logpdf(x[exact], shape) + np.log(shape / mean[exact])
        inside = special.gammainc(shape, y[~exact]) - special.gammainc(shape, x[~exact])
        return -float(density.sum() + np.log(np.maximum(inside, 1e-300)).sum()) / len(low)

    begin = [np.log(max(spread, 0.01)), 0.0] + ([np.log(max(factor, SMALLEST_FACTOR))] if slow.any() else [])
    found = optimize.minimize(cost, np.array(begin), method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 1e-9})
    cv, relative, *factors = np.exp(found.x).tolist()
    return scale * relative, factors[0] if factors else 1.0, cv


def describe(part: Recording) -> tuple[float, float, float]:
    """Gradients heard since the worker's own last one (staleness, where each is a step): mean, spread; and per second.

    The last without the pauses of the server, and what comes at once after them.
    """
    staleness = (np.arange(len(part.worker)) - part.before - 1)[part.usual]
    starts = np.flatnonzero(find_pauses(part))
    counts = np.ones(len(part.worker), bool)
    counts[0] = False
    after = (starts[:, None] + np.arange(part.num_workers)).ravel()
    counts[after[after < len(counts)]] = False
    rate = counts.sum() / np.diff(part.time, prepend=part.time[0])[counts].sum()
    return float(staleness.mean()), float(staleness.std()), float(rate)


def simulate(keys: dict[str, Any], num_workers: int, number: int) -> tuple[float, float, float]:
    """``describe`` of ``number`` gradients, or of enough for small errors, with ``keys``."""
    schedule = Latency(
        num_workers,
        seed=0,
        cv=keys["latency_cv"],
        slow_share=keys["slow_share"],
        slow_factor=keys.get("slow_factor", 1.0),
        server_time=keys["server_time"],
    )
    for each in range(num_workers):
        schedule.start(each, 0.0)
    worker, time = schedule.stream(max(number, _MOST // 2))
    return describe(Recording(worker, time, find_before(worker) >= 0, num_workers))


def _round(value: float) -> float:
    return float(f"{value:.3g}")
