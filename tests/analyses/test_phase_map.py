"""The map: outcomes, verdicts at every rate and over all pairs of rates, on tables whose truth is known."""

import pandas as pd
import pytest

from asgd.analyses.phase_map import (
    PAIR_CLAIMS,
    PhaseMap,
    summarize_map,
    summarize_pairs,
    tabulate_claims,
    tabulate_pairs,
)
from asgd.claims import holds, judge_claims
from asgd.errors import AsgdError
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


@pytest.fixture(scope="module")
def decisive() -> tuple[PhaseMap, pd.DataFrame]:
    """A map with enough seeds for every rule, and all its pairs."""
    phase_map = make_map(8)
    return phase_map, tabulate_pairs(phase_map, phase_map.judge_rates())


def test_outcomes_are_shares_of_the_runs() -> None:
    table = summarize_map(make_map(2)).set_index(["learning_rate", "num_workers", "variant"])
    assert len(table) == 2 * 5 * 4
    assert (table["n_runs"] == 2).all()
    assert table[["trained", "plateau", "dead", "non_finite"]].sum(axis="columns").tolist() == [1.0] * 40
    assert table.loc[(0.01, 100, "none"), ["dead", "majority"]].tolist() == [1.0, "dead"]
    assert table.loc[(0.01, 20, "worker-ema"), "majority"] == "non_finite"
    assert table.loc[(0.01, 1, "none"), "accuracy_mean"] == pytest.approx(0.55, abs=0.005)
    assert table.loc[(0.01, 10, "none"), "threshold"] == pytest.approx(0.165159, abs=1e-6)
    assert table.loc[(0.02, 100, "server-pytorch"), "threshold"] == pytest.approx(0.001462, abs=1e-6)


def test_a_shared_outcome_is_a_share() -> None:
    runs, evaluations = make_study(map_configs([0.01], [100], 4), "map", result)
    runs.loc[runs["seed"] == 0, "outcome"] = "trained"
    table = summarize_map(PhaseMap.of(runs, evaluations, MARGINS, "map")).set_index("variant")
    assert table.loc["none", ["trained", "dead"]].tolist() == [0.25, 0.75]


def test_verdicts_at_a_rate_are_those_of_judge_claims() -> None:
    phase_map = make_map(3)
    table = tabulate_claims(phase_map.judge_rates(), MARGINS)
    base = RunConfig(epochs=3, learning_rate=0.02, engine="fused")
    expected = judge_claims(phase_map.runs, phase_map.evaluations, MARGINS, base).verdicts
    found = table[table["learning_rate"] == 0.02]
    assert found["claim"].tolist() == [verdict.id for verdict in expected]
    assert found["verdict"].tolist() == [verdict.verdict for verdict in expected]
    assert found["p_value"].astype(float).fillna(-1).tolist() == [
        -1 if verdict.p_value is None else verdict.p_value for verdict in expected
    ]


def test_a_pair_judges_momentum_at_a_rate_of_its_own(decisive: tuple[PhaseMap, pd.DataFrame]) -> None:
    phase_map, _ = decisive
    pair = phase_map.judge_pair(0.01, 0.02)
    assert list(pair) == ["server-pytorch", "server-ema", "worker-ema"]
    assert [verdict.verdict for verdict in pair["server-ema"]] == ["reproduced", "reproduced"]
    assert [verdict.verdict for verdict in phase_map.judge_pair(0.01, 0.01)["server-ema"]] == ["not reproduced"] * 2
    expected = judge_claims(
        phase_map.runs,
        phase_map.evaluations,
        MARGINS,
        RunConfig(epochs=3, learning_rate=0.01, engine="fused"),
        RunConfig(epochs=3, learning_rate=0.02, engine="fused"),
    )
    same = {verdict.id: verdict.details for verdict in expected.verdicts}
    assert [verdict.details for verdict in pair["server-ema"]] == [same["C4-server-ema"], same["C5-server-ema"]]


def test_the_one_pair_that_fits_the_paper_is_found(decisive: tuple[PhaseMap, pd.DataFrame]) -> None:
    _, pairs = decisive
    assert len(pairs) == 2 * 2 * 3
    best = pairs[pairs["reproduced"] == len(PAIR_CLAIMS)]
    assert best[["rate_none", "rate_momentum", "variant"]].values.tolist() == [[0.01, 0.02, "server-ema"]]
    assert (pairs[pairs["rate_none"] == 0.02]["C2"] == "not reproduced").all()
    assert (pairs["C3"] == "reproduced").all()
    found = summarize_pairs(pairs, 8, MARGINS)
    assert [found[key] for key in ("pairs", "reproduced", "holding", "most", "most_pairs")] == [12, 1, 1, 4, 1]
    assert found["best"] == {
        **{"rate_none": 0.01, "rate_momentum": 0.02, "variant": "server-ema"},
        **{"holding": ["C2", "C3", "C4", "C5"], "reproduced": ["C2", "C3", "C4", "C5"]},
    }
    assert found["can_decide"]


def test_few_seeds_hold_without_being_reproduced_and_the_summary_says_so() -> None:
    phase_map = make_map(5)
    pairs = tabulate_pairs(phase_map, phase_map.judge_rates())
    best = pairs[pairs["holding"] == 4]
    assert best[["rate_none", "rate_momentum", "variant"]].values.tolist() == [[0.01, 0.02, "server-ema"]]
    assert best["C5"].tolist() == ["inconclusive"]
    assert best["C5_holds"].tolist() == [True]
    found = summarize_pairs(pairs, 5, MARGINS)
    assert [found[key] for key in ("reproduced", "holding", "can_decide")] == [0, 1, False]
    assert found["smallest_p"] == pytest.approx(3 / 16)  # 5 of 5 pairs changed, for each of three conventions
    assert found["best"]["reproduced"] == ["C2", "C3", "C4"]


def test_an_estimate_outside_does_not_hold() -> None:
    phase_map = make_map(3)
    verdicts = {verdict.id: verdict for verdict in phase_map.judge_rates()[0.02]}
    assert not holds(verdicts["C2"], MARGINS)  # 25 points apart
    assert not holds(verdicts["C4-server-pytorch"], MARGINS)
    assert not holds(verdicts["C5-worker-pytorch"], MARGINS)  # no runs
    assert holds(verdicts["C5-server-ema"], MARGINS)
    runs = phase_map.runs.assign(outcome="trained")  # all train without momentum too: nothing to rescue
    same = PhaseMap.of(runs, phase_map.evaluations, MARGINS, "map").judge_pair(0.01, 0.02)["server-ema"][1]
    assert not holds(same, MARGINS)


def test_a_map_without_runs_or_with_a_second_setting_is_an_error() -> None:
    runs, evaluations = make_study(map_configs([0.01], [1], 1), "delay", result)
    with pytest.raises(AsgdError, match="no runs of experiment 'map'"):
        PhaseMap.of(runs, evaluations, MARGINS, "map")
    mixed = runs.assign(experiments="map", epochs=[3.0, 3.0, 3.0, 6.0])
    with pytest.raises(AsgdError, match="its runs differ in epochs; keep one value"):
        PhaseMap.of(mixed, evaluations, MARGINS, "map")
