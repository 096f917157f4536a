"""`asgd stability`: what it says to a person, what it writes for a program, and what it refuses."""

import json
import re
import shlex
from pathlib import Path

import pytest

from asgd.analyses.stability import lyapunov
from asgd.analyses.stability.advice import _CAUSES, Advice, Judgement, advise
from asgd.analyses.stability.limits import find_limit
from asgd.commands.cli import main
from asgd.settings.run import RunConfig

EXACT = ["round_robin", "random"]
HOW_TO = Path(__file__).parents[2] / "docs/how-to/stability.md"
SYNTHETIC = ["--data-source", "synthetic", "--data-num-train", "80", "--data-num-test", "20"]


def judge(config: RunConfig, factor: float) -> Judgement:
    """At sharpness 20, a learning rate that is ``factor`` times the largest stable one."""
    rate = factor * find_limit(config).threshold / 20
    found = advise(config, rate, 20.0).judgement
    assert found is not None
    assert found.ratio == pytest.approx(factor)
    return found


@pytest.mark.parametrize("schedule", EXACT)
@pytest.mark.parametrize(
    ("factor", "verdict"),
    [(0.1, "stable"), (0.94, "stable"), (0.96, "marginal"), (1.04, "marginal"), (1.06, "not stable")],
)
def test_within_5_percent_of_the_limit_a_rate_is_marginal(factor: float, verdict: str, schedule: str) -> None:
    assert judge(RunConfig(num_workers=10, schedule=schedule), factor).verdict == verdict


def test_within_the_uncertainty_of_a_simulated_limit_a_rate_is_marginal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Per-worker momentum, random times and short paths: the interval is wider than 5 %."""
    monkeypatch.setattr(lyapunov, "NUM_GRADIENTS", 20_000)
    config = RunConfig(num_workers=100, momentum=0.9, momentum_where="worker", schedule="latency")
    limit = find_limit(config)
    margin = limit.error / limit.threshold
    assert margin > 0.05
    found = judge(config, 1 + 0.9 * margin)
    assert (found.verdict, found.stable_workers) == ("marginal", None)
    assert judge(config, 1 + 1.1 * margin).verdict == "not stable"


@pytest.mark.parametrize(
    ("config", "rate", "cause"),
    [
        (RunConfig(num_workers=100), 0.0001, "neither"),
        (RunConfig(num_workers=100), 0.01, "delay"),
        (RunConfig(num_workers=100), 0.2, "learning rate"),
        (RunConfig(), 0.099, "learning rate"),
        (RunConfig(num_workers=30, momentum=0.9, momentum_convention="ema"), 0.0025, "momentum"),
        (RunConfig(num_workers=30, momentum=0.9, momentum_where="worker"), 0.001, "longer steps"),
        (RunConfig(num_workers=30, momentum=0.9, momentum_where="worker"), 0.01, "delay"),
    ],
)
def test_the_cause_is_what_would_have_to_change(config: RunConfig, rate: float, cause: str) -> None:
    found = advise(config, rate, 20.0).judgement
    assert found is not None
    assert found.cause == cause


@pytest.mark.parametrize("schedule", EXACT)
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_what_would_be_stable_is_and_a_little_more_is_not(schedule: str, momentum: float) -> None:
    config = RunConfig(num_workers=50, momentum=momentum, momentum_where="worker", schedule=schedule)
    found = judge(config, 2.0)

    def verdict(num_workers: int, rate: float) -> str:
        other = RunConfig.model_validate({**config.model_dump(), "num_workers": num_workers})
        judged = advise(other, rate, 20.0).judgement
        assert judged is not None
        return judged.verdict

    rate = 2.0 * find_limit(config).threshold / 20
    assert found.stable_workers is not None
    assert verdict(found.stable_workers, rate) == "stable"
    assert verdict(found.stable_workers + 1, rate) != "stable"
    assert verdict(50, 0.999 * found.stable_rate) == "stable"
    assert verdict(50, 1.001 * found.stable_rate) == "marginal"


def test_limits_in_effective_rate_do_not_depend_on_the_convention() -> None:
    found: list[Advice] = [
        advise(RunConfig(num_workers=30, momentum=0.9, momentum_convention=kind)) for kind in ("pytorch", "ema")
    ]
    assert found[0].places == pytest.approx(found[1].places)
    assert found[0].places["at the server"] < found[0].places["no momentum"] < found[0].places["at each worker"]


def test_the_answer_is_short_and_all_numbers_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = "--num-workers 100 --momentum 0.9 --momentum-where worker --momentum-convention ema --schedule random"
    command = ["stability", *flags.split(), "--learning-rate", "0.05", "--sharpness", "20"]
    assert main([*command, "--json", str(tmp_path / "found.json")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 15
    assert lines[0] == "100 workers, schedule random, momentum 0.9 at each worker (ema)"
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["settings"]["schedule"] == "random"
    assert found["limit"]["threshold"] == pytest.approx(0.2154, abs=5e-5)
    assert found["limit"]["mean"] == pytest.approx(3998)
    assert found["judgement"]["ratio"] == pytest.approx(0.05 * 20 / found["limit"]["threshold"])
    assert "learning rate 0.05: NOT STABLE, 4.64 times the limit" in lines


def test_the_how_to_shows_what_is_printed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    page = HOW_TO.read_text(encoding="utf-8")
    shown = re.findall(r"^```sh\nasgd (.*?)\n```\n\n```\n(.*?)```$", page, re.MULTILINE | re.DOTALL)
    assert len(shown) == 9
    for command, output in shown:
        assert main(shlex.split(command)) == 0
        printed = capsys.readouterr().out
        # The last digits of what is trained are the machine's.
        exact = not command.startswith("train") and "--measure" not in command
        assert printed == output if exact else _mask_numbers(printed) == _mask_numbers(output)


def _mask_numbers(text: str) -> str:
    return re.sub(r"\d[\d.,]*", "#", text)


def test_the_how_to_has_a_remedy_for_each_cause() -> None:
    page = HOW_TO.read_text(encoding="utf-8")
    for text in _CAUSES.values():
        assert f"| {re.split(r'[:.,]| at this', text)[0]} |" in page


def test_without_sharpness_it_says_how_sharp_a_minimum_may_be(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stability", "--num-workers", "1", "--learning-rate", "0.01"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "learning rate 0.01: stable up to a sharpness of 200"


def test_a_measured_sharpness_says_of_which_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["stability", "--num-workers", "3", "--measure", *SYNTHETIC, "--steps", "20", "--json", "found.json"]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert (
        "measured: mean loss of the first 80 training images, after 20 steps of one worker at rate 0.01, no momentum"
        in said
    )
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["sharpness"] > 0
    assert found["judgement"]["verdict"] == "stable"
    assert main([*command, "--learning-rate", "1e6"]) == 1
    assert "the run died or overflowed without any delay" in capsys.readouterr().err
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--epochs 3", "--epochs: has an effect only with --measure; add --measure, or leave it out"),
        ("--data-source synthetic", "--data-source: has an effect only with --measure"),
        ("--latency-cv 0.5", "latency_cv = 0.5 has no effect with schedule = round_robin; leave it out"),
        ("--schedule latency --latency-shape 2", "latency_shape = 2.0 has no effect with latency = gamma"),
        ("--schedule latency --latency pareto --latency-shape 1", "latency_shape = 1.0"),
        ("--schedule latency --num-workers 3000", "num_workers = 3,000"),
        ("--momentum 1", "momentum = 1.0"),
        ("--num-workers 0", "num_workers = 0"),
    ],
)
def test_a_wrong_value_is_one_line(flags: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stability", *flags.split()]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("asgd: error: ")
    assert message in output.err
    assert output.err.count("\n") == 1


@pytest.mark.parametrize("flags", ["--sharpness 0", "--sharpness nan", "--sharpness flat", "--sharpness 2 --measure"])
def test_a_flag_that_means_nothing_is_one_line(flags: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["stability", *flags.split()])
    assert end.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
