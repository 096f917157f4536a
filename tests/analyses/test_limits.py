"""The limits of stability of an experiment's schedules."""

from typing import Any

import pytest

from asgd.analyses.given import Given
from asgd.analyses.limits import tabulate
from asgd.analyses.stability import find_threshold
from asgd.analyses.stability.random_worker import find_mean_square_threshold


def test_each_schedule_has_the_limit_of_its_kind() -> None:
    variants: list[dict[str, Any]] = [{}, {"schedule": "random"}, {"schedule": "latency", "latency": "pareto"}]
    study: dict[str, Any] = {
        "run": {"momentum": 0.9},
        "seeds": [4],
        "configs": {"num_workers": 8, "learning_rate": [0.01, 0.02], "variants": variants},
        "settings": {"num_workers": [1, 4]},
    }
    tables, summary = tabulate(Given("limits", "any", study, {}))
    table = tables["limits"]
    assert summary == {}
    assert table["schedule"].tolist() == [
        name for name in ("round robin", "random worker", "Pareto, shape = 1.5") for _ in (1, 4)
    ]
    found = table.set_index(["schedule", "num_workers"])["threshold"]
    assert found["round robin", 4] == pytest.approx(find_threshold(4))  # without the momentum of the base settings
    assert found["random worker", 4] == pytest.approx(find_mean_square_threshold(4))
    assert found["Pareto, shape = 1.5", 4] > 1.3 * find_threshold(4)  # spread delays harm less
    assert set(table.loc[table["num_workers"] == 1, "threshold"]) == {2.0}
    assert table["constant_threshold"].tolist() == pytest.approx([2.0, find_threshold(4)] * 3)
    exact = table["error"] == 0
    assert table.loc[exact, "method"].tolist() == ["exact", "exact", "exact", "mean square, exact", "exact"]
