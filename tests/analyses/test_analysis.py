"""Analyses: found by their declarations, made from runs of the pool, and checked against what they declare."""

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from asgd.analyses.analysis import analysis_tables, list_analyses
from asgd.analyses.given import check_tables
from asgd.analyses.make import make_analysis
from asgd.errors import AsgdError
from asgd.runs.pool import Pool
from asgd.settings.study import Params
from asgd.simulator.outcome import OUTCOMES
from asgd.study.plan import Study, plan_study
from asgd.study.products import select_figures
from asgd.study.prune import find_unused
from tests.pipeline import ROOT

DATA = {"source": "synthetic", "num_train": 40, "num_test": 20}


def make_params(analyses: dict[str, Any]) -> Params:
    """A study whose map has m = 1 and 3."""
    experiments = {
        "rates": {
            "num_workers": [1, 3],
            "learning_rate": [0.01, 0.02],
            "variants": [{"momentum": 0}, {"momentum": 0.9}],
        }
    }
    run = {"epochs": 4, "train_eval_images": 0}
    preset = {"data": DATA, "run": run, "seeds": [4, 5, 6], "experiments": experiments, "analyses": analyses}
    return Params.model_validate({"preset": "tiny", "presets": {"tiny": preset}})


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.chdir(tmp_path)
    wanted = {"num_seeds": 2, "num_workers": [3, 10], "epochs": [0, 0.5, 2], "num_images": 20}
    return plan_study(make_params({"sharpness": wanted}), Path("data"))


def make_sharpness(study: Study, **about: Any) -> pd.DataFrame:
    make_analysis(study.describe_analysis("sharpness"), {}, {"sharpness": "sharpness.csv"}, **about)
    return pd.read_csv("sharpness.csv")


def plan_with(subjects: dict[str, str | None], **experiments: Any) -> Study:
    preset = {"data": DATA, "seeds": [4], "experiments": experiments, "subjects": subjects}
    return plan_study(Params.model_validate({"preset": "tiny", "presets": {"tiny": preset}}), Path("data"))


def test_an_experiment_is_found_by_what_varies_whatever_its_name() -> None:
    varied = {"num_workers": [1, 2], "learning_rate": [0.01, 0.02], "variants": [{"momentum": 0}, {"momentum": 0.9}]}
    study = plan_with({}, first={"num_workers": 1}, any=varied, second={"output_relu": [True, False]})
    found = {name: chosen.experiment for name, chosen in study.analyses.items()}
    assert found == {"death": "second", "pairs": "any", "phase_map": "any", "sharpness": "any"}
    assert plan_with({}, delay={"num_workers": [1, 2]}).analyses == {}


def test_a_study_of_schedules_may_vary_every_parameter_of_theirs() -> None:
    alone = {"schedule": "alone_first", "alone": 5}
    variants = [{"schedule": "round_robin"}, alone, {"schedule": "latency", "slow_share": 0.5, "slow_factor": 2.0}]
    varied = {"num_workers": [2, 3], "learning_rate": [0.01, 0.02], "variants": variants}
    study = plan_with({}, any=varied)
    assert select_figures(study)["schedules"] == study.analyses["limits"].experiment == "any"


def test_an_edition_has_analyses_of_its_own() -> None:
    study = make_params({})
    first = plan_study(study, Path("data")).analyses
    preset = study.selected.model_copy(update={"edition": "second"})
    second = plan_study(
        Params.model_validate({"preset": "tiny", "presets": {"tiny": preset.model_dump()}}), Path("data")
    )
    assert first.keys() - second.analyses.keys() == {"pairs"}
    assert second.analyses.keys() - first.keys() == {"reconciliation"}
    assert "reconciliation_lengths" in select_figures(second)
    assert "reconciliation" not in select_figures(second)


def test_a_preset_may_say_what_a_figure_and_an_analysis_are_about() -> None:
    both = {"num_workers": [1, 2], "learning_rate": [0.01, 0.02]}
    study = plan_with({"figure1_delay": "both", "death": "both"}, both=both)
    assert select_figures(study)["figure1_delay"] == "both"
    assert study.analyses["death"].experiment == "both"
    with pytest.raises(AsgdError, match=r"presets\.tiny\.subjects\.figure1_dely: no figure or analysis has this name"):
        plan_with({"figure1_dely": "both"}, both=both)
    with pytest.raises(ValueError, match=r"subjects\.death = 'none': no such experiment; the experiments are both"):
        plan_with({"death": "none"}, both=both)


def test_a_preset_may_leave_a_figure_and_an_analysis_out() -> None:
    varied = {"num_workers": [1, 2], "learning_rate": [0.01, 0.02], "variants": [{"momentum": 0}, {"momentum": 0.9}]}
    whole = plan_with({}, any=varied)
    assert "phase_map" in whole.analyses
    assert {"phase_map", "outcomes"} <= select_figures(whole).keys()
    less = plan_with({"phase_map": None, "outcomes": None}, any=varied)
    assert whole.analyses.keys() - less.analyses.keys() == {"phase_map"}
    assert {"phase_map", "outcomes"} <= select_figures(whole).keys() - select_figures(less).keys()


def test_declared_tables_have_their_keys_and_are_made_by_one_analysis() -> None:
    tables = analysis_tables()
    assert sum(len(analysis.tables) for analysis in list_analyses().values()) == len(tables)
    assert all(set(table.key) <= table.columns.keys() for table in tables.values())
    assert tables["map"].columns.keys() >= set(OUTCOMES)


SHIPPED = [path for path in sorted(ROOT.glob("results/*/tables/*.csv")) if path.stem in analysis_tables()]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_shipped_tables_have_the_declared_columns(path: Path) -> None:
    assert list(pd.read_csv(path, nrows=1).columns) == list(analysis_tables()[path.stem].columns)


def test_the_sharpness_is_measured_along_runs_of_the_pool(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[str] = []
    table = make_sharpness(study, report=names.extend)
    assert table[["num_workers", "seed"]].drop_duplicates().values.tolist() == [[1, 4], [1, 5], [3, 4], [3, 5]]
    assert table["step"].tolist() == [0, 5, 20] * 4
    assert (table["stability"] * table["limit"]).to_numpy() == pytest.approx(table["sharpness"].to_numpy())
    assert sorted(path.name for path in Path("results/runs").iterdir()) == sorted(set(names))
    assert sorted(path.name for path in Path("results/kept").iterdir()) == sorted(set(names))
    assert list(Path("results/checkpoints").iterdir()) == []

    # What is there is not trained again: neither images nor an engine are needed. What was deleted comes back.
    shutil.rmtree("data")
    lost, *_ = names
    shutil.rmtree(f"results/runs/{lost}")
    monkeypatch.setattr("asgd.runs.train.open_engine", None)
    shutil.copytree(f"results/kept/{lost}", f"results/runs/{lost}")
    assert make_sharpness(study).equals(table)


def test_runs_are_trained_in_processes_and_only_those_that_lack(study: Study) -> None:
    alone = make_sharpness(study)
    first, *_ = folders = sorted(Path("results/runs").iterdir())
    times = {folder: (folder / "run.json").stat().st_mtime_ns for folder in folders}
    shutil.rmtree(first)
    shutil.rmtree("results/kept")
    assert make_sharpness(study, jobs=2).equals(alone)
    again = {folder for folder in folders if (folder / "run.json").stat().st_mtime_ns != times[folder]}
    assert again == {first}


def test_prune_spares_the_runs_of_analyses(study: Study) -> None:
    names: list[str] = []
    make_sharpness(study, report=names.extend)
    pools, checkpoints = [Pool()], Path("results/checkpoints")
    assert len(find_unused(study.params, pools, checkpoints, Path("data"))) == 4
    record = Path("results/tiny/.made/analyse_sharpness.runs.json")
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps(names))
    assert find_unused(study.params, pools, checkpoints, Path("data")) == []


def test_runs_whose_length_is_given_in_steps_are_measured_to_their_end(study: Study) -> None:
    description = study.describe_analysis("sharpness")
    run = {**description["study"]["run"], "steps": 18}  # 1.8 epochs
    settings = {**description["study"]["settings"], "num_seeds": 1, "epochs": [0, 0.5, 1.5, 2, 6]}
    description["study"] |= {"run": run, "settings": settings}
    make_analysis(description, {}, {"sharpness": "sharpness.csv"})
    table = pd.read_csv("sharpness.csv")
    assert table["step"].tolist() == [0, 5, 15] * 2
    assert table["sharpness"].nunique() == 5  # the runs begin alike


def test_a_run_that_fails_is_named_and_the_others_are_kept(study: Study, tmp_path: Path) -> None:
    description = study.describe_analysis("sharpness")
    description["study"] |= {"run": {**description["study"]["run"], "batch_size": 20, "epochs": 1}}
    with pytest.raises(AsgdError, match=r"2 of 4 runs failed: logs/runs/m3-lr0.01-seed4-probed-"):
        make_analysis(description, {}, {"sharpness": "sharpness.csv"})
    assert len(list(Path("results/runs").iterdir())) == 2
    assert not (tmp_path / "sharpness.csv").exists()


def test_tables_other_than_declared_are_an_error() -> None:
    table = pd.DataFrame({"a": [1], "b": [2]})
    with pytest.raises(AsgdError, match=r"analysis x: t\.csv: its columns differ from the declared ones: c"):
        check_tables("x", {"t": table}, {"t": ["a", "b", "c"]})
    with pytest.raises(AsgdError, match=r"their order"):
        check_tables("x", {"t": table}, {"t": ["b", "a"]})
    with pytest.raises(AsgdError, match="analysis x: makes the tables t, but declares u"):
        check_tables("x", {"t": table}, {"u": ["a", "b"]})
