"""The second edition's reconciliation: on a map whose truth is known, and on the shipped one of the first edition."""

from collections.abc import Callable

import pandas as pd
import pytest

from asgd.analyses.phase_map import PhaseMap
from asgd.analyses.reconciliation import Momentum, reconcile, summarize
from asgd.errors import AsgdError
from asgd.settings.claims import ClaimsConfig
from asgd.settings.run import RunConfig
from tests.analyses.maps import WORKERS, result
from tests.pipeline import ROOT
from tests.study_tables import Result, make_study, map_configs

MARGINS = ClaimsConfig(edition="second")
_NAMES = ["epochs", "rate_none", "rate_momentum", "variant"]


def reconcile_made(
    lengths: list[float],
    rates: tuple[float, ...] = (0.01, 0.02),
    seeds: int = 8,
    result: Callable[[RunConfig], Result] = result,
    workers: tuple[int, ...] = WORKERS,
    longer: float | None = None,
) -> pd.DataFrame:
    """Of a map of 3 epochs, and of longer runs at the first rate if these are asked for."""
    made = [make_study(map_configs(rates, workers, seeds), "map", result)]
    if longer:
        configs = [
            config.model_copy(update={"epochs": longer}) for config in map_configs(rates[:1], workers, seeds + 2)
        ]
        made.append(make_study(configs, "delay", result))
    runs, evaluations = (pd.concat(tables, ignore_index=True) for tables in zip(*made, strict=True))
    return reconcile(PhaseMap.of(runs, evaluations, MARGINS, "map"), runs, evaluations, lengths)


def die_late(config: RunConfig) -> Result:
    """As ``result``, but at the m that fails three runs of four are alive, without momentum."""
    accuracy, outcome = result(config)
    return accuracy, "plateau" if outcome == "dead" and config.seed % 4 else outcome


def test_every_length_is_judged_by_the_same_curves() -> None:
    table = reconcile_made([1.5, 3])
    assert len(table) == 2 * 2 * 2 * 3
    best = table[table["holding_not_trained"] == 4]
    assert best[_NAMES].values.tolist() == [[1.5, 0.01, 0.02, "server-ema"], [3.0, 0.01, 0.02, "server-ema"]]
    assert (best[["C2", "C3_not_trained", "C3_dead", "C4", "C5"]] == "reproduced").all(axis=None)
    assert (table["n"] == 8).all()


def test_a_length_without_evaluations_after_the_first_epoch_has_no_gap() -> None:
    table = reconcile_made([1], seeds=3)
    assert (table["C2"] == "not applicable").all()
    assert not table["C2_holds"].any()
    assert table["holding_dead"].max() == 3


def test_lengths_without_runs_are_left_out_and_none_at_all_is_an_error() -> None:
    assert reconcile_made([0.3, 2, 7], seeds=2)["epochs"].unique().tolist() == [2]
    with pytest.raises(AsgdError, match="no setting of the map has runs at every m that its claims read"):
        reconcile_made([2], seeds=2, workers=(1, 10, 100))


def test_longer_runs_count_beyond_the_map_where_there_are_some() -> None:
    table = reconcile_made([3, 6], seeds=2, longer=6)
    longer = table[table["epochs"] == 6]
    assert (table["epochs"] == 3).sum() == 2 * 2 * 3
    assert longer[["rate_none", "rate_momentum", "n"]].drop_duplicates().values.tolist() == [[0.01, 0.01, 4]]
    assert (table.loc[table["epochs"] == 3, "n"] == 2).all()


def test_the_two_readings_of_c3_come_apart_where_runs_fail_alive() -> None:
    table = reconcile_made([3], result=die_late)
    column = table[table["rate_none"] == 0.01]
    assert set(column["C3_not_trained"]) == {"reproduced"}
    assert set(column["C3_dead"]) == {"inconclusive"}
    best = column[column["holding_not_trained"] == 4]
    assert best[["rate_momentum", "variant", "holding_dead"]].values.tolist() == [[0.02, "server-ema", 3]]
    found = summarize(table, MARGINS)
    assert [(one["reading"], one["holding"], one["most"]) for one in found["readings"]] == [
        ("not trained", 1, 4),
        ("dead", 0, 3),
    ]


def test_settings_of_the_same_steps_are_one() -> None:
    table = reconcile_made([2], rates=(0.001, 0.01), seeds=2)
    assert len(table) == 2 * (2 * 3 - 1)  # PyTorch's 0.001 is the 0.01 of the average
    server = table[(table["variant"] != "worker-ema") & (table["rate_none"] == 0.001)]
    assert server[["variant", "rate_momentum", "rate_average", "same_steps"]].values.tolist() == [
        ["server-pytorch", 0.01, 0.1, ""],
        ["server-ema", 0.001, 0.001, ""],
        ["server-ema", 0.01, 0.01, "server-pytorch at 0.001"],
    ]
    found = summarize(table, MARGINS)
    assert (found["searched"], found["named"]) == (10, 12)


def test_an_average_stands_for_both_conventions() -> None:
    assert Momentum(0.001, "worker-pytorch").average(0.9) == Momentum(0.01, "worker-ema")
    assert Momentum(0.05, "server-ema").average(0.9) == Momentum(0.05, "server-ema")


def test_the_first_editions_map_has_126_distinct_pairs_and_its_twins_are_the_same_runs() -> None:
    runs, evaluations = (
        pd.read_csv(ROOT / f"results/paper-jpeg/tables/{name}.csv") for name in ("runs", "evaluations")
    )
    phase_map = PhaseMap.of(runs, evaluations, MARGINS, "map")
    table = reconcile(phase_map, runs, evaluations, [3])
    assert (len(table), (table["same_steps"] != "").sum()) == (126, 21)
    ends = phase_map.runs.set_index(["variant", "learning_rate", "num_workers", "seed"]).sort_index()
    for twin, rate in {tuple(name.split(" at ")) for name in table["same_steps"] if name}:
        same = table.loc[table["same_steps"] == f"{twin} at {rate}", "rate_average"].iloc[0]
        first, second = ends.loc[(twin, float(rate))], ends.loc[("server-ema", same)]
        assert (first["outcome"] == second["outcome"]).all()
        assert first["final_test_accuracy"].tolist() == second["final_test_accuracy"].tolist()
