"""The working copy that tests run: what it has, and what is read in the output of Snakemake.

A plan is understood as a whole, or the test fails.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.pipeline import ROOT, Project, read_plan, run

PLAN = """Building DAG of jobs...
Job stats:
job               count
--------------  -------
train_runs_0          1
plot_figure           5
all                   1
total                 7

Job 3: Training runs: 4, m1-lr0.01-seed0-0123456789ab first
"""


def test_a_plan_is_read() -> None:
    assert read_plan(PLAN) == {"train_run": 4, "plot_figure": 5}
    assert read_plan("Building DAG of jobs...\nNothing to be done (all requested files are present).\n") == {}


@pytest.mark.parametrize(
    ("part", "other"),
    [
        ("Job stats:", "Jobs:"),
        ("job               count", "rule   number"),
        ("plot_figure           5", "plot_figure        five"),
        ("total                 7", "total                 8"),
        ("total                 7\n", ""),
        ("Training runs: 4,", "Training 4 runs,"),
    ],
)
def test_another_output_fails(part: str, other: str) -> None:
    assert part in PLAN
    with pytest.raises(AssertionError):
        read_plan(PLAN.replace(part, other))


def list_texts(value: Any) -> Iterator[str]:
    """All texts in what a YAML file holds, keys left out."""
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from list_texts(one)
    elif isinstance(value, str):
        yield value


def test_a_copy_has_the_files_that_the_shipped_parameters_name(tmp_path: Path) -> None:
    project = Project(tmp_path)
    params = yaml.safe_load((project.folder / "params.yaml").read_text(encoding="utf-8"))
    named = {*list_texts(params)} & {*run(["git", "ls-files"], ROOT).splitlines()}  # images are none of the project's
    assert named
    assert [name for name in named if not (project.folder / name).is_file()] == []
