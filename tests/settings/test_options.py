"""What `snakemake --config` takes."""

from typing import Any

import pytest

from asgd.errors import AsgdError
from asgd.settings.workflow import WorkflowOptions, read_options

NO: list[Any] = ["no", "No", "off", "false", "FALSE", "0", 0, False]
YES: list[Any] = ["yes", "on", "true", "True", "1", 1, True]


def test_a_boolean_means_what_it_says_in_any_spelling() -> None:
    assert {read_options({"pdf": no}) for no in NO} == {WorkflowOptions(pdf=False)}
    assert {read_options({"shipped": yes}) for yes in YES} == {WorkflowOptions(shipped=True)}
    assert not any(read_options({"shipped": no}).shipped for no in NO)
    assert all(read_options({"pdf": yes}).pdf for yes in YES)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"pdf": "nope"}, "--config: pdf = 'nope': Input should be a valid boolean"),
        ({"shipped": 2}, "--config: shipped = 2: Input should be a valid boolean"),
        ({"preset": None}, "--config: preset: is empty; give a value, or leave it out"),
        ({"runs_per_job": 0}, "--config: runs_per_job: 0 is neither auto nor a whole number from 1 to 200"),
        ({"runs_per_job": True}, "--config: runs_per_job: True is neither auto nor a whole number from 1 to 200"),
        ({"runs_per_job": "all"}, "--config: runs_per_job: 'all' is neither auto nor a whole number"),
        ({"runs_per_job": 2.5}, "--config: runs_per_job: 2.5 is neither auto nor a whole number"),
        ({"presett": "paper"}, "--config: unknown key 'presett'; keys allowed here are preset, params, pdf, shipped"),
    ],
)
def test_anything_else_is_refused_in_one_line(config: dict[str, Any], message: str) -> None:
    with pytest.raises(AsgdError) as error:
        read_options(config)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_a_name_of_digits_is_a_name() -> None:
    assert read_options({"runs_per_job": "auto"}) == WorkflowOptions()
    assert read_options({"preset": 2024, "runs_per_job": "20"}) == WorkflowOptions(preset="2024", runs_per_job=20)
