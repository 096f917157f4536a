"""Packing runs, putting them back, and deleting those that nobody asks for."""

import gzip
import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from asgd.commands.cli import main
from asgd.errors import AsgdError
from asgd.runs.archive import pack_runs, unpack_runs
from asgd.runs.pool import Pool
from asgd.settings.study import Params
from asgd.study.plan import plan_study
from asgd.study.prune import find_unused, measure_size, remove_unused
from tests.pipeline import wait_for
from tests.run_folders import render_run
from tests.test_faults import asgd, give_up_privileges, limit_files

#: Three runs, each by its name; the second has a large record.
RUNS = dict(render_run(seed=seed, description="x" * size) for seed, size in ((0, 0), (1, 9000), (2, 0)))
A, B, C = RUNS


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Two finished runs, and one that is not."""
    for name in (A, B):
        put_run(tmp_path / "store", name)
    (tmp_path / "store/unfinished-3").mkdir()
    (tmp_path / "store/unfinished-3/metrics.csv").write_text("step")
    return tmp_path / "store"


def put_run(store: Path, name: str) -> None:
    (store / name).mkdir(parents=True)
    for file, content in RUNS[name].items():
        (store / name / file).write_bytes(content)


def contents(store: Path) -> dict[str, bytes]:
    return {str(path.relative_to(store)): path.read_bytes() for path in store.rglob("*") if path.is_file()}


def test_finished_runs_come_back_whole(store: Path, tmp_path: Path) -> None:
    names = [B, A, "unfinished-3", "absent-4"]
    assert pack_runs(names, Pool(store), tmp_path / "runs.tar.xz") == 2
    assert unpack_runs(tmp_path / "runs.tar.xz", tmp_path / "new") == 2
    assert contents(tmp_path / "new") == {name: text for name, text in contents(store).items() if "unf" not in name}
    assert {path.name for path in (tmp_path / "new").iterdir()} == {A, B}


def test_the_same_runs_give_the_same_bytes(store: Path, tmp_path: Path) -> None:
    pack_runs([A, B], Pool(store), tmp_path / "one.tar.xz")
    (store / A / "run.json").touch()
    pack_runs([B, A], Pool(store), tmp_path / "two.tar.xz")
    assert (tmp_path / "one.tar.xz").read_bytes() == (tmp_path / "two.tar.xz").read_bytes()


def test_a_run_that_is_there_is_left_alone(store: Path, tmp_path: Path) -> None:
    pack_runs([A, B], Pool(store), tmp_path / "runs.tar.xz")
    (store / A / "run.json").write_text("mine")
    (store / B / "run.json").unlink()
    (store / B / "metrics.csv").unlink()
    (store / B).rmdir()
    assert unpack_runs(tmp_path / "runs.tar.xz", store) == 1
    assert (store / A / "run.json").read_text() == "mine"
    assert contents(store / B) == RUNS[B]


def test_nothing_to_pack_and_bad_archives_are_errors(store: Path, tmp_path: Path) -> None:
    with pytest.raises(AsgdError, match="has none of the runs"):
        pack_runs(["absent-4"], Pool(store), tmp_path / "runs.tar.xz")
    pack_runs([A], Pool(store), tmp_path / "runs.tar.xz")
    whole = (tmp_path / "runs.tar.xz").read_bytes()
    (tmp_path / "cut.tar.xz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.tar.xz").write_text("hello" * 1000)
    for name in ("cut.tar.xz", "text.tar.xz"):
        assert f"{name}: not a tar archive, truncated or corrupt" in unpack_error(tmp_path / name)
    assert "absent.tar.xz: cannot be read (No such file or directory)" in unpack_error(tmp_path / "absent.tar.xz")


def unpack_error(archive: Path) -> str:
    """Why ``archive`` is not unpacked, of which nothing is written."""
    new = archive.parent / "new"
    with pytest.raises(AsgdError) as caught:
        unpack_runs(archive, new)
    assert "\n" not in str(caught.value)
    assert str(archive) in str(caught.value)
    assert not new.exists()
    return str(caught.value)


def make_archive(path: Path, *members: tuple[str, bytes, bytes]) -> Path:
    """An archive of (name, type, content) after a run that is whole."""
    with tarfile.open(path, "w") as tar:
        for name, kind, content in [*run_of(A), *members]:
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.size = kind, f"{A}/run.json", len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def run_of(path: str) -> list[tuple[str, bytes, bytes]]:
    """The members of a run, which lies at ``path``."""
    files = RUNS.get(path.removeprefix("./"), {"metrics.csv": b"{}", "run.json": b"{}"})
    return [(f"{path}/{file}", b"0", content) for file, content in files.items()]


STRANGE = {
    "a run of something else": (run_of("x"), "x/run.json: incomplete; get"),
    "another run of that name": (
        [(f"{B}/{file}", b"0", content.replace(A.encode(), B.encode())) for file, content in RUNS[A].items()],
        f"{B}/run.json: its configuration, data and sources belong to another run, {A}; get",
    ),
    "other metrics": ([(f"{B}/metrics.csv", b"0", b"step"), *run_of(B)[1:]], f"{B}/metrics.csv: truncated or edited"),
    "a file above": ([("../run.json", b"0", b"")], "holds other files"),
    "a file beside": ([("notes", b"0", b"")], "holds other files"),
    "another file of the run": ([(f"{A}/notes", b"0", b"")], "holds other files"),
    "a file below": ([(f"{B}/more/run.json", b"0", b"")], "holds other files"),
    "half a run": ([(f"{B}/run.json", b"0", b"")], "holds other files"),
    "two runs mixed": ([*run_of(B)[:1], *run_of(C), *run_of(B)[1:]], "holds other files"),
    "a run twice": (run_of(A), f"{A}/metrics.csv is there twice"),
    "a run twice, written otherwise": (run_of(f"./{A}"), f"{A}/metrics.csv is there twice"),
    "a parent": (run_of(".."), ".. is not the name of a run"),
    "an absolute name": (run_of("/tmp"), "holds other files"),
    "a hidden name": (run_of(".folder-x"), ".folder-x is not the name of a run"),
    "a long name": (run_of("x" * 300), "... is not the name of a run"),
    "a name of two lines": (run_of("a\nb"), r"'a\nb' is not the name of a run"),
    "a link": ([(f"{B}/metrics.csv", tarfile.SYMTYPE, b""), *run_of(B)[1:]], "is a link or a device"),
    "a hard link": ([*run_of(B)[:1], (f"{B}/run.json", tarfile.LNKTYPE, b"")], "is a link or a device"),
}


@pytest.mark.parametrize("what", STRANGE)
def test_an_archive_of_anything_else_is_refused_as_a_whole(tmp_path: Path, what: str) -> None:
    members, said = STRANGE[what]
    assert said in unpack_error(make_archive(tmp_path / "strange.tar", *members))


def test_folders_in_an_archive_do_no_harm(tmp_path: Path) -> None:
    archive = make_archive(tmp_path / "a.tar", (f"{B}/", tarfile.DIRTYPE, b""), *run_of(f"./{B}"))
    assert unpack_runs(archive, tmp_path / "new") == 2


def test_huge_and_sparse_files_are_refused(tmp_path: Path) -> None:
    sparse = tmp_path / "sparse.tar"
    with tarfile.open(sparse, "w") as tar:
        member = tarfile.TarInfo(f"{B}/run.json")
        member.pax_headers = {"GNU.sparse.map": "0,0", "GNU.sparse.size": str(1 << 40)}
        tar.addfile(member)
    assert f"{B}/run.json has 1,099,511,627,776 bytes, the limit is" in unpack_error(sparse)
    huge, size = tarfile.TarInfo(f"{B}/run.json"), 256 << 20
    huge.size = size
    block = gzip.compress(bytes(1 << 20), compresslevel=1)
    (tmp_path / "huge.tar.gz").write_bytes(gzip.compress(huge.tobuf()) + block * (size >> 20))
    assert f"{B}/run.json has 268,435,456 bytes, the limit is" in unpack_error(tmp_path / "huge.tar.gz")


def test_a_full_disk_or_a_closed_pool_is_one_line_and_leaves_whole_runs(tmp_path: Path) -> None:
    """Of three runs the second does not fit."""
    source = tmp_path / "source"
    for name in RUNS:
        put_run(source, name)
    pack_runs([A, B, C], Pool(source), tmp_path / "runs.tar.xz")
    runs = tmp_path / "results/runs"

    done = asgd(tmp_path, "unpack", "runs.tar.xz", before=limit_files(5000))
    assert done.returncode == 1
    said = "cannot be written (File too large); free space or fix its permissions"
    assert done.stderr == f"asgd: error: results/runs/{B}: {said}\n"
    assert [path.name for path in runs.iterdir()] == [A]

    runs.chmod(0o555)
    done = asgd(tmp_path, "unpack", "runs.tar.xz", before=give_up_privileges)
    runs.chmod(0o755)
    assert done.returncode == 1
    assert done.stderr == f"asgd: error: results/runs/{B}: {said.replace('File too large', 'Permission denied')}\n"

    assert asgd(tmp_path, "unpack", "runs.tar.xz").stdout == "results/runs: 2 runs restored\n"
    assert contents(runs) == contents(source)


def test_a_folder_that_is_only_made_beforehand_is_filled(store: Path, tmp_path: Path) -> None:
    pack_runs([A, B], Pool(store), tmp_path / "runs.tar.xz")
    (tmp_path / f"new/{A}").mkdir(parents=True)
    (tmp_path / f"new/{B}").mkdir()
    (tmp_path / f"new/{B}/metrics.csv").write_text("somebody's, in the making")
    assert unpack_runs(tmp_path / "runs.tar.xz", tmp_path / "new") == 1
    assert contents(tmp_path / f"new/{A}") == contents(store / A)
    assert contents(tmp_path / f"new/{B}") == {"metrics.csv": b"somebody's, in the making"}


def make_params() -> Params:
    presets = {
        name: {"data": {"source": "synthetic"}, "seeds": [seed], "experiments": {"delay": {"num_workers": [1, 2]}}}
        for name, seed in (("first", 0), ("second", 1))
    }
    return Params.model_validate({"preset": "first", "presets": presets})


def test_runs_that_no_preset_asks_for_are_found_and_deleted(tmp_path: Path) -> None:
    params, store, checkpoints = make_params(), tmp_path / "runs", tmp_path / "checkpoints"
    second = params.model_copy(update={"preset": "second"})
    wanted = [*plan_study(params, tmp_path).runs, *plan_study(second, tmp_path).runs]
    assert len(wanted) == 4
    for name in [*wanted, "m1-lr0.5-seed0-000000000000"]:
        (store / name).mkdir(parents=True)
        (store / name / "metrics.csv").write_bytes(b"x" * 8)
        (store / name / "run.json").write_bytes(b"{}")
        checkpoints.mkdir(exist_ok=True)
        (checkpoints / f"{name}.npz").write_bytes(b"x")
        os.utime(checkpoints / f"{name}.npz", (0, 0))
    unused = find_unused(params, [Pool(store)], checkpoints, tmp_path)
    assert [path.name for path in unused] == ["m1-lr0.5-seed0-000000000000", "m1-lr0.5-seed0-000000000000.npz"]
    assert [measure_size(path) for path in unused] == [10, 1]
    remove_unused(unused)
    assert {path.name for path in store.iterdir()} == set(wanted)
    assert find_unused(params, [Pool(store)], checkpoints, tmp_path) == []


def make_file(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    return path


#: What a process at work has in the store (results/runs) or beside it, and makes with its next write.
IN_THE_MAKING: dict[str, Callable[[], Path]] = {
    "a folder that unpacks": lambda: make_file(Path("results/runs/.folder-abcdefgh/a-1/metrics.csv")).parents[1],
    "a folder that is linked back": lambda: make_file(Path("results/kept/.folder-abcdefgh/a-1/run.json")).parents[1],
    "a run that is written": lambda: make_file(Path("results/runs/a-1/metrics.csv")).parent,
    "a checkpoint": lambda: make_file(Path("results/checkpoints/a-1.npz")),
    "a checkpoint that is written": lambda: make_file(Path("results/checkpoints/.a-1-abcdefgh.npz")),
}


@pytest.mark.parametrize("what", IN_THE_MAKING)
def test_prune_spares_what_is_in_the_making(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(yaml.safe_dump(make_params().model_dump(mode="json")))
    path, others = IN_THE_MAKING[what](), make_file(Path("results/runs/.gitignore"))
    os.utime(others, (0, 0))
    assert main(["prune", "--yes"]) == 0
    assert path.exists()
    hours_ago = time.time() - 25 * 3600
    os.utime(path, (hours_ago, hours_ago))  # of a process that was killed yesterday
    assert main(["prune", "--yes"]) == 0
    assert not path.exists()
    assert others.exists()


def test_prune_leaves_a_run_that_is_trained_its_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(yaml.safe_dump(make_params().model_dump(mode="json")))
    data = ["--data-source", "synthetic", "--data-num-train", "40", "--data-num-test", "20", "--train-eval-images", "0"]
    command = ["train", *data, "--epochs", "100000", "--checkpoint-every", "0"]
    process = subprocess.Popen([sys.executable, "-m", "asgd", *command], stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: list(Path("results/checkpoints").glob("m1-*.npz")), "a checkpoint", 60)
        process.send_signal(signal.SIGSTOP)  # so that it does not write another
        assert main(["prune", "--yes"]) == 0
        assert list(Path("results/checkpoints").glob("m1-*.npz"))
    finally:
        process.kill()
        process.wait()


def test_prune_says_why_a_link_stays_and_deletes_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(yaml.safe_dump(make_params().model_dump(mode="json")))
    for folder in ("elsewhere/a-1", "results/runs/b-2"):
        for name in ("metrics.csv", "run.json"):
            make_file(Path(folder, name))
    Path("results/runs/a-1").symlink_to(tmp_path / "elsewhere/a-1")
    assert main(["prune", "--yes"]) == 1
    assert capsys.readouterr().err == (
        f"asgd: error: 1 cannot be deleted: results/runs/a-1 (a symbolic link to {tmp_path}/elsewhere/a-1); "
        "delete them by hand\n"
    )
    assert Path("elsewhere/a-1/run.json").exists()
    assert not Path("results/runs/b-2").exists()


def test_prune_works_where_the_pool_itself_is_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(yaml.safe_dump(make_params().model_dump(mode="json")))
    make_file(Path("large/a-1/metrics.csv"))
    shutil.copy("large/a-1/metrics.csv", "large/a-1/run.json")
    Path("results").mkdir()
    Path("results/runs").symlink_to(tmp_path / "large")
    assert main(["prune", "--yes"]) == 0
    assert not list(Path("large").iterdir())


def test_prune_deletes_only_when_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(yaml.safe_dump(make_params().model_dump(mode="json")))
    for name in ("metrics.csv", "run.json"):
        make_file(Path("results/runs/stranger", name))
    assert main(["prune"]) == 0
    assert Path("results/runs/stranger").exists()
    assert "No preset of params.yaml needs them (1). `asgd prune --yes` deletes them." in capsys.readouterr().out
    assert main(["prune", "--yes"]) == 0
    assert not Path("results/runs/stranger").exists()
    assert main(["prune"]) == 0
    assert "nothing to delete" in capsys.readouterr().out
