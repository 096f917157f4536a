"""Compiled once, safely, and the same program for all; and no PyTorch on the way."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from numba.core import config as numba_config

import asgd
from asgd.errors import AsgdError
from asgd.simulator.fused import cache_directory, choose_kernels
from asgd.simulator.fused.cache import program_path, read_program, write_program

SOURCES = Path(asgd.__file__).parent

#: Trains a little, and prints the bytes of the weights and losses, and how often this process had to compile.
_TRAIN = """
import hashlib, sys
import numpy as np
from asgd.settings.study import RunConfig
from asgd.simulator.fused import FusedEngine, compiling

compile_really, count = compiling._compile_apart, []
compiling._compile_apart = lambda *arguments: (count.append(1), compile_really(*arguments))[1]
images = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3)).astype(np.uint8)
labels = np.arange(40) % 10
engine = FusedEngine(RunConfig(num_workers=3, momentum=0.5), images, labels, kernels="VARIANT")
print(engine.evaluate(images, labels), engine.advance(30), engine.staleness_displacement())
print(hashlib.sha256(engine.weights.tobytes()).hexdigest(), engine.evaluate(images, labels))
print(len(count))
"""


def start_python(
    program: str, cache: Path, path: Path = SOURCES.parent, settings: dict[str, str] | None = None
) -> "subprocess.Popen[str]":
    environment = {**os.environ, "PYTHONPATH": str(path), "ASGD_CACHE_DIR": str(cache), **(settings or {})}
    return subprocess.Popen(
        [sys.executable, "-c", program],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=cache.parent,
    )


def run_python(program: str, cache: Path, path: Path = SOURCES.parent, settings: dict[str, str] | None = None) -> str:
    process = start_python(program, cache, path, settings)
    output, _ = process.communicate()
    assert process.returncode == 0, output
    return output.strip()


def train(cache: Path, kernels: str = "plain", path: Path = SOURCES.parent) -> tuple[str, int]:
    """What a process computed, and how often it compiled."""
    *results, count = run_python(_TRAIN.replace("VARIANT", kernels), cache, path).splitlines()
    return "\n".join(results), int(count)


def stamps(cache: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in cache.rglob("*.program")}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A cache that two jobs filled which started at the same time, and what these printed."""
    cache = tmp_path_factory.mktemp("filled") / "cache"
    jobs = [start_python(_TRAIN.replace("VARIANT", "plain"), cache) for _ in range(2)]
    outputs = [job.communicate()[0].strip() for job in jobs]
    assert [job.returncode for job in jobs] == [0, 0], outputs
    return cache, outputs


@pytest.fixture
def copied(filled: tuple[Path, list[str]], tmp_path: Path) -> Path:
    """A copy of that cache, to be spoilt."""
    return Path(shutil.copytree(filled[0], tmp_path / "cache"))


def test_importing_the_engine_does_not_load_pytorch(tmp_path: Path) -> None:
    program = "import sys; from asgd.simulator.fused import FusedEngine; print('torch' in sys.modules)"
    assert run_python(program, tmp_path) == "False"


def test_of_two_jobs_one_compiles_and_the_other_waits(filled: tuple[Path, list[str]]) -> None:
    cache, outputs = filled
    assert sorted(output.splitlines()[-1] for output in outputs) == ["0", "1"]
    assert len(stamps(cache)) == 1
    assert not [path for path in cache.rglob("*") if path.name.startswith(".")]


def test_the_process_that_compiles_computes_what_the_later_ones_do(filled: tuple[Path, list[str]]) -> None:
    """In plain loops sums may be taken in any order, so two stages of the same program differ in their last bits."""
    cache, outputs = filled
    before = stamps(cache)
    later, count = train(cache)
    assert count == 0
    assert [output.rpartition("\n")[0] for output in outputs] == [later, later]
    assert stamps(cache) == before


@pytest.mark.slow
@pytest.mark.parametrize("kernels", ["vector", "plain"])
def test_every_cache_holds_the_same_program(tmp_path: Path, kernels: str) -> None:
    runs = [train(tmp_path / name, kernels) for name in ("one", "two", "three") for _ in range(3)]
    assert [count for _, count in runs] == [1, 0, 0] * 3
    assert len({results for results, _ in runs}) == 1
    assert len({path.read_bytes() for path in stamps(tmp_path)}) == 1


def test_a_copy_of_the_sources_elsewhere_compiles_nothing(copied: Path, tmp_path: Path) -> None:
    """As in a temporary copy of the project, or another clone of it, whose files are of another time."""
    before = stamps(copied)
    sources = shutil.copytree(SOURCES, tmp_path / "copy" / "asgd")
    for path in sources.rglob("*.py"):
        os.utime(path, (1e9, 1e9))
    assert train(copied, path=tmp_path / "copy")[1] == 0
    assert stamps(copied) == before


@pytest.mark.parametrize("name", ["vectors.py", "plain.py", "layout.py"])
def test_a_changed_source_has_another_cache(tmp_path: Path, name: str) -> None:
    copy = tmp_path / "copy" / "asgd"
    shutil.copytree(SOURCES, copy, ignore=shutil.ignore_patterns("__pycache__"))
    program = "from asgd.simulator.fused import cache_directory; print(cache_directory())"
    before = run_python(program, tmp_path, copy.parent)
    assert before == run_python(program, tmp_path)  # wherever the same sources lie
    source = copy / "simulator" / "fused" / name
    source.write_text(source.read_text() + "\n# changed\n")
    assert run_python(program, tmp_path, copy.parent) != before


@pytest.fixture
def numba_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Numba takes its settings from variables and a file, and reads them again before it compiles."""
    yield monkeypatch
    monkeypatch.undo()
    numba_config.reload_config()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NUMBA_OPT", "1"),
        ("NUMBA_OPT", "max"),
        ("NUMBA_CPU_NAME", "generic"),
        ("NUMBA_CPU_FEATURES", ""),
        ("NUMBA_LOOP_VECTORIZE", "0"),
        ("NUMBA_SLP_VECTORIZE", "1"),
        ("NUMBA_ENABLE_AVX", "0"),
        ("NUMBA_DISABLE_JIT", "1"),
        ("NUMBA_DEBUGINFO", "1"),
        ("NUMBA_BOUNDSCHECK", "1"),
        ("NUMBA_LLVM_REFPRUNE_PASS", "0"),
        ("NUMBA_DISABLE_INTEL_SVML", "1"),
        ("LLVMLITE_ENABLE_IR_LAYER_TYPED_POINTERS", "0"),
    ],
)
def test_a_setting_that_may_change_the_code_has_another_cache(
    numba_settings: pytest.MonkeyPatch, name: str, value: str
) -> None:
    before = cache_directory()
    numba_settings.setenv(name, value)
    numba_config.reload_config()
    assert cache_directory() != before


def test_a_setting_in_numbas_file_has_another_cache(numba_settings: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = cache_directory()
    (tmp_path / ".numba_config.yaml").write_text("opt: '1'\n")
    numba_settings.chdir(tmp_path)
    numba_config.reload_config()
    assert cache_directory() != before


def test_places_and_threads_have_the_same_cache(numba_settings: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = cache_directory()
    for name, value in (("CACHE_DIR", str(tmp_path)), ("NUM_THREADS", "1"), ("COLOR_SCHEME", "light_bg")):
        numba_settings.setenv(f"NUMBA_{name}", value)
    numba_config.reload_config()
    assert cache_directory() == before


@pytest.mark.slow
def test_a_setting_reaches_the_compiler(copied: Path) -> None:
    (whole,) = stamps(copied)
    run_python(_TRAIN.replace("VARIANT", "plain"), copied, settings={"NUMBA_OPT": "0"})
    assert {len(path.read_bytes()) == len(whole.read_bytes()) for path in stamps(copied)} == {True, False}


def test_a_program_is_not_run_without_the_compiler(tmp_path: Path) -> None:
    process = start_python(_TRAIN.replace("VARIANT", "plain"), tmp_path, settings={"NUMBA_DISABLE_JIT": "1"})
    last = process.communicate()[0].splitlines()[-1]
    assert last == (
        "asgd.errors.AsgdError: NUMBA_DISABLE_JIT is set: the fused engine is compiled code; unset it, or use "
        "engine=reference"
    )


def test_a_damaged_program_is_compiled_again(copied: Path, filled: tuple[Path, list[str]]) -> None:
    (path,) = stamps(copied)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    output = run_python(_TRAIN.replace("VARIANT", "plain"), copied)
    assert f"{path}: damaged or not readable; compiled again" in output
    assert output.splitlines()[-3:-1] == filled[1][0].splitlines()[-3:-1]
    assert output.splitlines()[-1] == "1"
    assert path.read_bytes() == whole
    assert train(copied)[1] == 0


def test_no_damaged_program_is_read(
    filled: tuple[Path, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASGD_CACHE_DIR", str(tmp_path))
    (compiled,) = stamps(filled[0])
    whole, path = compiled.read_bytes(), program_path("plain")
    path.parent.mkdir()
    path.write_bytes(whole)
    assert read_program(path) == whole[32:]
    damaged = [whole[:length] for length in (0, 1, 31, 32, 1000, len(whole) - 1)] + [whole + b"\0"]
    for position in [*range(100), *range(100, len(whole), len(whole) // 97)]:
        damaged.append(whole[:position] + bytes([whole[position] ^ 1 << position % 8]) + whole[position + 1 :])
    for content in damaged:
        path.write_bytes(content)
        assert read_program(path) is None
    path.unlink()
    assert read_program(path) is None
    (path / "inside").mkdir(parents=True)  # a folder in its place
    assert read_program(path) is None
    write_program(path, whole[32:])
    assert path.read_bytes() == whole


def test_a_program_of_other_settings_is_not_read(
    filled: tuple[Path, list[str]], tmp_path: Path, numba_settings: pytest.MonkeyPatch
) -> None:
    """Though it is whole: as when somebody copies or renames the directory."""
    (compiled,) = stamps(filled[0])
    assert read_program(compiled)
    numba_settings.setenv("NUMBA_OPT", "1")
    numba_config.reload_config()
    assert read_program(compiled) is None


def test_an_unusable_cache_directory_is_no_error(tmp_path: Path, filled: tuple[Path, list[str]]) -> None:
    (tmp_path / "file").touch()
    output = run_python(_TRAIN.replace("VARIANT", "plain"), tmp_path / "file")
    assert "set ASGD_CACHE_DIR" in output
    assert output.splitlines()[-3:] == [*filled[1][0].splitlines()[-3:-1], "1"]


def test_the_cache_lies_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASGD_CACHE_DIR", str(tmp_path))
    assert cache_directory().parent == tmp_path
    monkeypatch.delenv("ASGD_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_directory().parent == tmp_path / "asgd"


def test_a_variant_can_be_forced_and_an_unknown_one_is_refused() -> None:
    assert [choose_kernels(name) for name in ("vector", "plain")] == ["vector", "plain"]
    assert choose_kernels("auto") in ("vector", "plain")
    with pytest.raises(AsgdError, match="variant 'scalar' does not exist"):
        choose_kernels("scalar")
