"""What goes wrong on the second day, what a user sees then, and that nothing is lost or silently wrong.

Faults in shipped results are those of test_verify.py.
"""

import copy
import ctypes
import os
import resource
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.data.folders import make_folder
from tests.pipeline import TINY, TINY_RUNS, Project

TRAIN = shlex.split(
    "train --data-source synthetic --data-num-train 40 --data-num-test 20 --train-eval-images 20 --epochs 3"
    " --num-workers 3 --momentum 0.9"
)


def limit_files(size: int) -> Callable[[], None]:
    """No file may grow beyond ``size`` bytes: to a program the same as a disk that is full."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def give_up_privileges() -> None:
    """Root may write everywhere; the same user without its capabilities may not."""
    if os.geteuid() == 0:
        libc, drop_bounding = ctypes.CDLL(None, use_errno=True), 24  # PR_CAPBSET_DROP
        for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH: gone from the next program on
            assert libc.prctl(drop_bounding, capability, 0, 0, 0) == 0


def asgd(folder: Path, *arguments: str, before: Callable[[], None] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "asgd", *arguments],
        cwd=folder,
        preexec_fn=before,
        text=True,
        capture_output=True,
        check=False,
    )


def files_of(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_full_disk_loses_no_run_and_says_what_to_do(tmp_path: Path) -> None:
    assert asgd(tmp_path, *TRAIN, "--out", "whole").returncode == 0
    done = asgd(tmp_path, *TRAIN, "--out", "run", before=limit_files(500))
    assert done.returncode == 1
    last = "asgd: error: run/metrics.csv: cannot be written (File too large); free space or fix its permissions"
    assert done.stderr.splitlines()[-1] == last
    assert files_of(tmp_path / "run") == []
    assert asgd(tmp_path, *TRAIN, "--out", "run").returncode == 0
    assert (tmp_path / "run/metrics.csv").read_bytes() == (tmp_path / "whole/metrics.csv").read_bytes()


def test_a_disk_too_full_for_checkpoints_costs_only_these(tmp_path: Path) -> None:
    assert asgd(tmp_path, *TRAIN, "--out", "whole").returncode == 0
    done = asgd(tmp_path, *TRAIN, "--out", "run", "--checkpoint-every", "0", before=limit_files(50_000))
    assert done.returncode == 0
    assert "cannot be written (File too large)" in done.stderr
    assert "; the run goes on without this checkpoint" in done.stderr
    assert (tmp_path / "run/metrics.csv").read_bytes() == (tmp_path / "whole/metrics.csv").read_bytes()
    assert files_of(tmp_path / "results") == []


def test_a_disk_too_full_for_a_figure_leaves_the_old_one(tmp_path: Path) -> None:
    program = (
        "from matplotlib.figure import Figure; from asgd.figures.style import save_figure\n"
        "figure = Figure(); figure.subplots().plot([1, 2]); save_figure(figure, 'figure')"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    before = (tmp_path / "figure.pdf").read_bytes()
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        preexec_fn=limit_files(1000),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "figure.pdf: cannot be written (File too large); free space" in done.stderr
    assert (tmp_path / "figure.pdf").read_bytes() == before
    assert files_of(tmp_path) == ["figure.pdf", "figure.png"]


def test_results_that_may_not_be_written_are_named(tmp_path: Path) -> None:
    assert asgd(tmp_path, *TRAIN, "--out", "first").returncode == 0  # prepares the images
    (tmp_path / "results").chmod(0o555)
    done = asgd(tmp_path, *TRAIN, before=give_up_privileges)
    (tmp_path / "results").chmod(0o755)
    assert done.returncode == 1
    assert "/metrics.csv: cannot be written (Permission denied); free space or fix" in done.stderr.splitlines()[-1]
    assert not list((tmp_path / "results").glob("runs*"))
    (kept,) = (tmp_path / "results/checkpoints").iterdir()  # the finished run: its results need no second training
    again = asgd(tmp_path, *TRAIN)
    assert "continues from its checkpoint at step 30" in again.stderr
    assert "step 10:" not in again.stderr
    assert not kept.exists()


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Callable[[], Path]]:
    """A function that makes the folder ``project`` read-only, for root too, until the test ends."""
    folder = tmp_path / "project"
    folder.mkdir()
    mounted = []

    def mount() -> Path:
        for options in (["--bind", folder, folder], ["-o", "remount,ro,bind", folder]):
            if subprocess.run(["mount", *options], capture_output=True, check=False).returncode:
                pytest.skip("skipped: mounts nothing here, which needs root")
            mounted.append(folder)
        return folder

    yield mount
    if mounted:
        subprocess.run(["umount", folder], check=True)


def test_a_read_only_project_trains_elsewhere_and_tells_its_status(
    tmp_path: Path, read_only: Callable[[], Path]
) -> None:
    project = tmp_path / "project"
    assert asgd(project, *TRAIN, "--out", "../first").returncode == 0  # prepares the images
    make_folder(project / "images", num_train=10, num_test=10)
    preset = {
        "data": {"source": "image_folder", "path": "images"},
        "seeds": [0],
        "experiments": {"delay": {"num_workers": [1, 2]}},
    }
    (project / "params.yaml").write_text(yaml.safe_dump({"preset": "p", "presets": {"p": preset}}), encoding="utf-8")
    read_only()
    done = asgd(project, *TRAIN, "--out", "../second")
    assert done.returncode == 0
    assert "cannot be written (Read-only file system)" in done.stderr
    assert "Traceback" not in done.stderr
    curves = [(tmp_path / name / "metrics.csv").read_bytes() for name in ("first", "second")]
    assert curves[0] == curves[1]
    status = asgd(project, "status")
    assert (status.returncode, status.stderr) == (0, "")
    assert "2 waiting" in status.stdout


#: Runs a command as a user without an account: there is no home to look up.
STRANGER = ("unshare", "--user", "--map-user=54321", "--map-group=54321")


@pytest.mark.skipif(
    shutil.which("unshare") is None or subprocess.run([*STRANGER, "true"], capture_output=True).returncode != 0,
    reason="skipped: no namespaces of users here",
)
def test_a_user_without_a_home_gets_one_line_or_results(tmp_path: Path) -> None:
    homes = ("HOME", "XDG_CACHE_HOME", "ASGD_CACHE_DIR")
    environment = {key: value for key, value in os.environ.items() if key not in homes}

    def call(*arguments: str, **more: str) -> tuple[int, str]:
        command = [*STRANGER, sys.executable, "-m", "asgd", *arguments]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment | more, encoding="utf-8", capture_output=True, check=False
        )
        return done.returncode, done.stderr.splitlines()[-1] if done.stderr else ""

    cache = {"ASGD_CACHE_DIR": os.environ.get("ASGD_CACHE_DIR") or str(Path.home() / ".cache/asgd")}
    no_home = "asgd: error: no home folder to keep the compiled engine in; set ASGD_CACHE_DIR to a folder"
    assert call(*TRAIN, "--out", "run") == (1, no_home)
    assert call(*TRAIN, "--out", "run", **cache)[0] == 0
    nobody = "asgd: error: data.path = ~/x: the home folder is not known; write the whole path"
    assert call("data", "--data-source", "image_folder", "--data-path", "~/x") == (1, nobody)


def verify(project: Project) -> str:
    """What `asgd verify` says of results that it must not accept."""
    done = project.run("asgd", "verify", "--preset", "tiny")
    assert done.returncode == 1
    assert "Traceback" not in done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("project"), TINY)
    project.snakemake()
    assert project.run("asgd", "verify", "--preset", "tiny").returncode == 0
    return project


@pytest.fixture
def project(finished: Project, tmp_path: Path) -> Project:
    return finished.copy_to(tmp_path / "copy")


def run_folder(project: Project, pattern: str = "m2-b0.9-*") -> Path:
    (folder,) = (project.folder / "results/runs").glob(pattern)
    return folder


def fail(project: Project, *targets: str) -> str:
    """What Snakemake says, which must not succeed."""
    done = project.run("snakemake", "--cores", "2", "--config", "pdf=False", "--", *(targets or ["tables"]))
    assert done.returncode != 0
    return done.stdout


def truncate(folder: Path) -> None:
    path = folder / "metrics.csv"
    path.write_bytes(path.read_bytes()[:-40])


def edit_curve(folder: Path) -> None:
    path = folder / "metrics.csv"
    path.write_text(path.read_text().replace("2.30", "1.30"))


def truncate_record(folder: Path) -> None:
    path = folder / "run.json"
    path.write_bytes(path.read_bytes()[:300])


def copy_another(folder: Path) -> None:
    (other,) = folder.parent.glob("m2-lr0.01-*")
    for name in ("metrics.csv", "run.json"):
        shutil.copy(other / name, folder)


DAMAGES = {
    "a truncated curve": (truncate, "metrics.csv: truncated or edited"),
    "an edited curve": (edit_curve, "metrics.csv: truncated or edited"),
    "a truncated record": (truncate_record, "run.json: not valid JSON"),
    "the files of another run": (copy_another, "run.json: belongs to another run"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_run_is_refused_by_name_and_trained_again_once_deleted(project: Project, damage: str) -> None:
    harm, message = DAMAGES[damage]
    folder = run_folder(project)
    before = (folder / "metrics.csv").read_bytes()
    harm(folder)
    harm(project.folder / "results/kept" / folder.name)  # the same file, where it is a link
    where = f"{folder.relative_to(project.folder)}/{message}"
    assert f"* {where}" in verify(project)
    os.utime(folder / "metrics.csv")
    said = fail(project)
    assert f"asgd: error: {where}" in said
    assert "Traceback" not in said
    shutil.rmtree(folder)
    assert project.planned_jobs()["train_run"] == 1
    project.snakemake("--", "tables")
    assert (folder / "metrics.csv").read_bytes() == before


def test_damaged_images_stop_the_job_that_needs_them(project: Project) -> None:
    (images,) = (project.folder / "data").glob("*/train_images.npy")
    images.write_bytes(images.read_bytes()[:-100])
    assert "train_images.npy: " in verify(project)
    params = copy.deepcopy(TINY)
    params["presets"]["tiny"]["seeds"] = [0, 1]
    project.write_params(params)
    before = files_of(project.folder / "results/runs")
    said = fail(project)
    assert "train_images.npy: " in said
    assert "Traceback" not in said
    assert files_of(project.folder / "results/runs") == before


def test_other_data_are_other_runs(project: Project) -> None:
    params = copy.deepcopy(TINY)
    params["presets"]["tiny"]["data"]["num_train"] = 50
    project.write_params(params)
    assert project.planned_jobs()["train_run"] == TINY_RUNS
    assert "MISMATCH" in verify(project)


def test_one_failing_job_stops_no_other_and_the_summary_names_its_log(tmp_path: Path) -> None:
    params = copy.deepcopy(TINY)
    params["presets"]["tiny"]["experiments"] = {"delay": {"num_workers": [30, 1, 2]}}  # 30 > the 20 steps
    project = Project(tmp_path, params)
    lines = fail(project).splitlines()
    assert len(list((tmp_path / "results/runs").glob("*/run.json"))) == 2
    summary = lines.index("Failed jobs: 1")
    assert lines[summary + 1].startswith("  logs/train_runs_0.log: 1 of 2 runs failed: logs/runs/m30-lr0.01-seed0-")
    assert "num_workers = 30: more than the 20 gradients of the run" in lines[summary + 1]
    assert lines[summary + 2].endswith("Run the same command again to make what is missing.")
    batched = project.run("snakemake", "--cores", "1", "--config", "pdf=False", "runs_per_job=2", "--", "tables")
    assert "1 of 1 runs failed: logs/runs/m30-lr0.01-seed0-" in batched.stdout
