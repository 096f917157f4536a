"""The map: outcomes and verdicts at every rate, on tables whose truth is known."""

import pytest

from asgd.analyses.phase_map import PhaseMap, analyse_map, summarize_map, tabulate_claims
from asgd.claims import holds, judge_claims
from asgd.errors import AsgdError
from asgd.settings.claims import ClaimsConfig
from asgd.settings.run import RunConfig
from tests.analyses.maps import MARGINS, make_map, result
from tests.study_tables import make_study, map_configs


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


def test_the_second_edition_judges_every_rate_once() -> None:
    tables = make_study(map_configs([0.01, 0.02], [1, 10, 20, 30, 100], 2), "map", result)
    margins = ClaimsConfig(edition="second")
    assert margins.second.same_rate  # which the map would judge at every one of its rates
    claims = analyse_map(PhaseMap.of(*tables, margins, "map"))[0]["map_claims"]
    assert not claims.duplicated(["learning_rate", "claim"]).any()
    assert not claims["claim"].str.contains("same-rate").any()
