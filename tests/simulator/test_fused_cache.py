"""Compiled once, safely; and no PyTorch on the way."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import asgd
from asgd.errors import AsgdError
from asgd.simulator.fused import cache_directory, choose_variant

SOURCES = Path(asgd.__file__).parent

_EVALUATE = """
import numpy as np
from asgd.config import RunConfig
from asgd.simulator.fused import FusedEngine
images, labels = np.zeros((4, 32, 32, 3), np.uint8), np.zeros(4, np.int64)
print(FusedEngine(RunConfig(), images, labels, variant="plain").evaluate(images, labels).loss)
"""


def start_python(program: str, cache: Path, path: Path = SOURCES.parent) -> "subprocess.Popen[str]":
    environment = {**os.environ, "PYTHONPATH": str(path), "ASGD_CACHE_DIR": str(cache)}
    return subprocess.Popen(
        [sys.executable, "-c", program],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=cache,
    )


def run_python(program: str, cache: Path, path: Path = SOURCES.parent) -> str:
    process = start_python(program, cache, path)
    output, _ = process.communicate()
    assert process.returncode == 0, output
    return output.strip()


def test_importing_the_engine_does_not_load_pytorch(tmp_path: Path) -> None:
    program = "import sys; from asgd.simulator.fused import FusedEngine; print('torch' in sys.modules)"
    assert run_python(program, tmp_path) == "False"


def test_two_jobs_may_compile_at_once_and_a_third_compiles_nothing(tmp_path: Path) -> None:
    jobs = [start_python(_EVALUATE, tmp_path) for _ in range(2)]
    outputs = [job.communicate()[0].strip() for job in jobs]
    assert [job.returncode for job in jobs] == [0, 0], outputs
    (directory,) = tmp_path.iterdir()
    compiled = {path: path.stat().st_mtime_ns for path in directory.rglob("*.nb*")}
    assert len(compiled) == 2  # index and code of one function
    assert outputs[0] == outputs[1] == run_python(_EVALUATE, tmp_path)
    assert {path: path.stat().st_mtime_ns for path in directory.rglob("*.nb*")} == compiled


def test_of_two_jobs_one_compiles_and_the_other_waits(tmp_path: Path) -> None:
    program = (
        "import asgd.simulator.fused.compiling as compiling\n"
        "compile_really, count = compiling.warm_cache, []\n"
        "compiling.warm_cache = lambda variant: (count.append(variant), compile_really(variant))\n"
        "compiling.compile_once()\n"
        "print(len(count))"
    )
    jobs = [start_python(program, tmp_path) for _ in range(2)]
    assert sorted(job.communicate()[0].strip() for job in jobs) == ["0", "1"]
    assert run_python(program, tmp_path) == "0"


def test_a_copy_of_the_sources_elsewhere_compiles_nothing(tmp_path: Path) -> None:
    """As in a temporary copy of the project, or another clone of it."""
    cache = tmp_path / "cache"
    cache.mkdir()
    run_python(_EVALUATE, cache)
    compiled = {path: path.stat().st_mtime_ns for path in cache.rglob("*.nb*")}
    shutil.copytree(SOURCES, tmp_path / "copy" / "asgd")
    run_python(_EVALUATE, cache, tmp_path / "copy")
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*.nb*")} == compiled


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


def test_an_unusable_cache_directory_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    program = f"import os; os.environ['ASGD_CACHE_DIR'] = {str(tmp_path / 'file')!r}\n{_EVALUATE}"
    output = run_python(program, tmp_path)
    assert "set ASGD_CACHE_DIR" in output
    assert output.splitlines()[-1].startswith("2.")


def test_the_cache_lies_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASGD_CACHE_DIR", str(tmp_path))
    assert cache_directory().parent == tmp_path
    monkeypatch.delenv("ASGD_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_directory().parent == tmp_path / "asgd"


def test_a_variant_can_be_forced_and_an_unknown_one_is_refused() -> None:
    assert [choose_variant(name) for name in ("vector", "plain")] == ["vector", "plain"]
    assert choose_variant("auto") in ("vector", "plain")
    with pytest.raises(AsgdError, match="variant 'scalar' does not exist"):
        choose_variant("scalar")
