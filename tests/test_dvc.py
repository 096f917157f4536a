"""DVC's stages around Snakemake, on a clone of the project with a study of seconds: real commands, nothing replaced."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.browser import CHROMIUM, show_page
from tests.pipeline import commit, copy_repository, run

TINY_PARAMS = {
    "preset": "smoke",
    "presets": {
        "smoke": {
            "data": {"source": "synthetic", "num_train": 200, "num_test": 100},
            "run": {"learning_rate": 0.01, "epochs": 1, "evaluations_per_epoch": 2, "train_eval_images": 0},
            "seeds": [0],
            "experiments": {"workers": {"num_workers": [1, 2]}},
        }
    },
    "claims": {"confidence": 0.95},
}

pytestmark = pytest.mark.slow

#: As in docs/how-to/experiments.md.
SHOW_FLAGS = ["--only-changed", "--hide-workspace", "--drop", "Created|results|src|workflow|report|data|Snakefile"]


def trained_runs(folder: Path) -> set[str]:
    return {path.parent.name for path in folder.glob("results/runs/*/run.json")}


def planned_training(folder: Path) -> list[str]:
    """The lines of a dry run's table of jobs that are about images and training."""
    return re.findall(
        r"^(?:train_runs_\d+|prepare_data)\b.*", run(["snakemake", "-n"], folder).partition("\n\n")[0], re.M
    )


def metrics_diff(folder: Path, *revisions: str) -> dict[str, Any]:
    """The changes that `dvc metrics diff` reports, by metric."""
    (changes,) = json.loads(run(["dvc", "metrics", "diff", "--json", *revisions], folder)).values()
    return dict(changes)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The working tree with the tiny study, run once by `dvc repro` and committed."""
    folder = tmp_path_factory.mktemp("project")
    copy_repository(folder, TINY_PARAMS)
    run(["dvc", "repro"], folder)
    commit(folder, "Its results")
    return folder


def test_repro_makes_the_outputs_and_git_keeps_the_small_ones(clone: Path) -> None:
    assert len(trained_runs(clone)) == 2
    kept = run(["git", "ls-files", "results", "data"], clone).split()
    assert "results/smoke/metrics.json" in kept
    assert "results/smoke/tables/dvc_curves.csv" in kept
    assert not [name for name in kept if name.startswith(("results/runs", "data"))]


def test_a_second_repro_does_nothing(clone: Path) -> None:
    assert "Data and pipelines are up to date" in run(["dvc", "repro"], clone)
    assert run(["git", "status", "--porcelain"], clone) == ""


def test_experiments_in_place_and_in_a_temporary_copy(clone: Path, tmp_path: Path) -> None:
    before = trained_runs(clone)

    run(["dvc", "exp", "run", "--name", "fast", "--set-param", "presets.smoke.run.learning_rate=0.05"], clone)
    after = trained_runs(clone)
    assert before < after, "the pool of runs only grows"
    assert sum("-lr0.05-" in name for name in after) == len(after) - len(before) == 2
    changed = metrics_diff(clone)
    assert changed
    assert all(change["old"] != change["new"] for change in changed.values())

    page = tmp_path / "plots"
    run(["dvc", "plots", "diff", "--out", str(page), "HEAD", "workspace"], clone)
    html = (page / "index.html").read_text()
    assert '"ci_low"' in html, "drawn by the project's own template, which has a band"
    assert '"rev": "HEAD"' in html
    assert '"rev": "workspace"' in html
    if CHROMIUM:
        shown = show_page(page / "index.html")
        assert (shown.requests, shown.errors, shown.drawings) == ([], [], 1)
        assert "m = 2, no momentum" in shown.text

    assert json.loads(run(["dvc", "exp", "show", "--json"], clone))
    table = run(["dvc", "exp", "show", *SHOW_FLAGS], clone)
    assert "fast" in table
    assert max(map(len, table.splitlines())) < 200, "a screen is no wider"

    run(["dvc", "exp", "run", "--temp", "--name", "more", "--set-param", "presets.smoke.seeds=[0,1]"], clone)
    assert trained_runs(clone) == after, "a temporary copy leaves the workspace alone"
    assert metrics_diff(clone, "fast", "more")["n_runs"] == {"old": 2, "new": 4, "diff": 2}


def test_queued_experiments_train_what_is_new_and_applying_one_trains_nothing(clone: Path) -> None:
    queued = ["dvc", "exp", "run", "--queue", "--name"]
    run([*queued, "slow", "--set-param", "presets.smoke.run.learning_rate=0.002"], clone)
    run([*queued, "wide", "--set-param", "presets.smoke.experiments.workers.num_workers=[1,5]"], clone)
    run(["dvc", "exp", "run", "--run-all"], clone)
    run(["dvc", "exp", "apply", "slow"], clone)
    run(["dvc", "checkout", "--force"], clone)
    names = {name for name in trained_runs(clone) if "-lr0.002-" in name}
    assert len(names) == 2
    assert not planned_training(clone)
    run(["git", "checkout", "--quiet", "."], clone)
    run(["dvc", "checkout", "--force"], clone)


def test_a_temporary_copy_with_other_sources_takes_no_old_result(clone: Path) -> None:
    source = clone / "src/asgd/simulator/simulate.py"
    before = source.read_text()
    source.write_text(before + "\nEDITED = True\n")
    try:
        run(["dvc", "exp", "run", "--temp", "--name", "edited"], clone)
        run(["dvc", "exp", "apply", "edited"], clone)
        run(["dvc", "checkout", "--force"], clone)
        records = [json.loads(path.read_text()) for path in clone.glob("results/runs/*/run.json")]
        assert len({record["sources"] for record in records}) == 2
    finally:
        run(["git", "checkout", "--quiet", "."], clone)
        run(["dvc", "checkout", "--force"], clone)


def test_a_clone_that_pulls_from_a_remote_trains_nothing(clone: Path, tmp_path: Path) -> None:
    run(["dvc", "remote", "add", "--local", "--default", "store", str(tmp_path / "store")], clone)
    run(["dvc", "push"], clone)
    other = tmp_path / "clone"
    run(["git", "clone", "--quiet", str(clone), str(other)], tmp_path)
    run(["dvc", "remote", "add", "--local", "--default", "store", str(tmp_path / "store")], other)
    run(["dvc", "pull"], other)
    assert trained_runs(other)
    assert not planned_training(other)
    assert "didn't change, skipping" in run(["dvc", "repro"], other)


def test_a_shallow_clone_refuses_an_experiment_that_dvc_would_not_record(clone: Path, tmp_path: Path) -> None:
    shallow = tmp_path / "shallow"
    run(["git", "clone", "--quiet", "--depth", "1", clone.as_uri(), str(shallow)], tmp_path)
    command = ["dvc", "exp", "run", "--temp", "--set-param", "presets.smoke.seeds=[3]"]
    with pytest.raises(AssertionError, match="a shallow clone, in which DVC records no experiment of a temporary copy"):
        run(command, shallow)
    assert not list(shallow.rglob("run.json"))
    run(["git", "fetch", "--quiet", "--unshallow"], shallow)
    run(command, shallow)
    assert len(run(["dvc", "exp", "list", "--name-only"], shallow).split()) == 1
