"""A map whose truth is known."""

from asgd.analyses.phase_map import PhaseMap
from asgd.settings.claims import ClaimsConfig
from asgd.settings.run import RunConfig
from tests.study_tables import make_study, map_configs

RATES, WORKERS = (0.01, 0.02), (1, 10, 20, 30, 100)
MARGINS = ClaimsConfig()


def result(config: RunConfig) -> tuple[float, str]:
    """At rate 0.01 plain SGD does what the paper says; server EMA at 0.02 is like it, but trains at m = 100."""
    plain = {1: 0.55, 10: 0.50, 20: 0.48, 30: 0.46}.get(config.num_workers, 0.1)
    if config.momentum == 0:
        loss = 0.0 if config.learning_rate == 0.01 else 0.2 * (config.num_workers > 1)
        return (plain - loss, "trained") if config.num_workers < 100 else (0.1, "dead")
    if config.momentum_convention == "ema" and config.momentum_where == "server" and config.learning_rate == 0.02:
        return (plain, "trained") if config.num_workers < 100 else (0.4, "trained")
    return 0.1, "plateau" if config.num_workers < 20 else "non_finite"


def make_map(seeds: int) -> PhaseMap:
    return PhaseMap.of(*make_study(map_configs(RATES, WORKERS, seeds), "delay;map", result), MARGINS, "map")
