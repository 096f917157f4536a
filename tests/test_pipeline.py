"""What tests read in the output of Snakemake: a plan is understood as a whole, or the test fails."""

import pytest

from tests.pipeline import read_plan

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
