"""The generated LaTeX says what the tables say, and the report builds."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from asgd.claims import Verdict, Verdicts
from asgd.errors import AsgdError
from asgd.figures.drawing import draw_figure
from asgd.figures.style import use_style
from asgd.files import read_json
from asgd.report import build_report, collect_numbers, list_generated, write_tables
from asgd.report.build import find_first_error
from asgd.report.latex import escape
from asgd.report.tables import list_accuracies
from asgd.report.templates import Templates, format_count, format_spans
from asgd.settings.claims import ClaimsConfig
from asgd.settings.study import Params
from asgd.tables.environment import describe_records
from tests.example_tables import list_runs, make_tables

PROJECT = Path(__file__).parents[2]
GENERATED = list_generated(PROJECT / "report")
TABLES = make_tables(num_seeds=2)
RUNS = TABLES["runs"]
DECISIVE = {"from": 1, "to": 10, "mean": 0.1, "low": -0.02, "high": 0.2, "n": 2, "p_value": 0.0001}
VERDICTS = Verdicts(
    margins=ClaimsConfig(),
    verdicts=[
        Verdict(
            claim="C1",
            verdict="reproduced",
            effect=0.1,
            unit="nats",
            interval=(-0.02, 0.2),
            confidence=0.95,
            p_value=0.0001,
            p_adjusted=0.004,
            n=2,
            details={"tested": [1, 10], "absent": [], "trend": "rises", "decisive": DECISIVE},
        ),
        Verdict(claim="C5", variant="server-ema", verdict="not applicable"),
    ],
)
FIGURES = ["figure1_delay", "figure3_dropout", "outcomes"]
needs_latex = pytest.mark.skipif(shutil.which("latexmk") is None, reason="skipped: no latexmk")


def make_params(demonstration: bool = True) -> Params:
    preset = {
        "description": "50% & more_or_less",
        "demonstration": demonstration,
        "data": {"source": "synthetic"},
        "seeds": [0, 1],
        "experiments": {"delay": {"num_workers": [1, 10]}, "dropout": {"dropout": [0, 0.2]}},
    }
    return Params.model_validate({"preset": "toy_1", "presets": {"toy_1": preset}})


def collect(demonstration: bool = True) -> dict[str, Any]:
    return collect_numbers(make_params(demonstration), RUNS, TABLES["arms"], VERDICTS, {"cpu": "A_1 & B"}, FIGURES)


def fill(name: str, numbers: dict[str, Any]) -> str:
    return Templates(PROJECT / "report/templates").render(name, numbers)


def write_example(folder: Path, demonstration: bool = True) -> dict[str, str]:
    write_tables(folder, PROJECT / "report", collect(demonstration))
    return {name: (folder / name).read_text() for name in GENERATED}


def read_macros(text: str) -> dict[str, str]:
    return dict(re.findall(r"^\\newcommand\{\\([A-Za-z]+)\}\{(.*)\}$", text, re.MULTILINE))


def test_special_characters_are_escaped() -> None:
    assert escape("50% of a_b & #1 {x} $ ^ ~ \\") == (
        r"50\% of a\_b \& \#1 \{x\} \$ \textasciicircum{} \textasciitilde{} \textbackslash{}"
    )


def test_numbers_and_symbols_are_mathematics() -> None:
    assert escape("lambda_0 = 20, lambda = 0.04, lambda_0") == r"$\lambda_0 = 20$, $\lambda = 0.04$, lambda\_0"
    assert (
        escape("-3.1 points at m = 10, C5-server, [-2, +-4]") == r"$-$3.1 points at $m = 10$, C5-server, [$-$2, $\pm$4]"
    )


def test_characters_are_printed_or_named() -> None:
    assert escape("caf\u00e9 cafe\u0301 \u2264") == r"caf\'{e} caf\'{e} $\le$"
    assert escape("\u4e2d.tar") == "U+4E2D.tar"


def test_symbols_that_stand_alone_are_mathematics_and_letters_of_lists_are_not() -> None:
    assert escape("(b) for some m > 1 (p, too), p-values and m.tar") == (
        r"(b) for some $m$ $>$ 1 ($p$, too), p-values and m.tar"
    )


def test_counts_have_thin_spaces() -> None:
    assert escape(format_count(1234567)) == r"1\,234\,567"


def test_numbers_are_plain_data_and_hold_no_sentence() -> None:
    numbers = collect()
    assert json.loads(json.dumps(numbers, allow_nan=False)).keys() == numbers.keys()
    told = {"reason", "rule", "statement", "description", *numbers["outcome_meanings"]}  # of templates, params, runs

    def find_sentences(value: Any, key: str = "") -> list[str]:
        if isinstance(value, dict):
            return [found for name, part in value.items() for found in find_sentences(part, name)]
        if isinstance(value, list):
            return [found for part in value for found in find_sentences(part, key)]
        return [value] if isinstance(value, str) and len(value.split()) > 6 and key not in told else []

    assert find_sentences({key: value for key, value in numbers.items() if key != "verdicts"}) == []


def test_a_name_that_a_template_prints_must_be_known(tmp_path: Path) -> None:
    (tmp_path / "a.tex.j2").write_text("<< missing >>")
    with pytest.raises(AsgdError, match=r"a\.tex\.j2: UndefinedError: 'missing' is undefined; correct the template"):
        Templates(tmp_path).render("a.tex", {})
    with pytest.raises(AsgdError, match=r"b\.tex\.j2: TemplateNotFound"):
        Templates(tmp_path).render("b.tex", {})


def test_a_project_without_templates_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AsgdError, match=r"templates: has no templates \*\.tex\.j2; restore them from git"):
        list_generated(tmp_path)


def test_a_template_more_is_a_generated_file_more(tmp_path: Path) -> None:
    shutil.copytree(PROJECT / "report/templates", tmp_path / "templates")
    shutil.copy(PROJECT / "report/report.tex", tmp_path)
    (tmp_path / "templates/seeds.tex.j2").write_text("<< seeds | listed >>\n")
    assert set(list_generated(tmp_path)) - set(GENERATED) == {"seeds.tex"}
    write_tables(tmp_path / "out", tmp_path, collect())
    assert (tmp_path / "out/seeds.tex").read_text() == "0 and 1\n"


def test_every_macro_of_the_report_is_generated_and_used(tmp_path: Path) -> None:
    macros = read_macros(write_example(tmp_path)["numbers.tex"])
    source = (PROJECT / "report" / "report.tex").read_text()
    for name in macros:
        assert f"\\{name}" in source, name
    assert macros["runCount"] == str(len(RUNS))
    assert macros["presetName"] == r"toy\_1"
    assert macros["presetDescription"] == r"50\% \& more\_or\_less"
    assert macros["stabilityLimits"].startswith("2 ($m = 1$), 0.165 ($m = 10$), 0.0532")
    mean = TABLES["arms"].loc[TABLES["arms"]["experiments"].str.startswith("delay"), "final_test_accuracy_mean"].iloc[0]
    assert f"{100 * mean:.1f}~\\% ($m = 1$)" in macros["delaySummary"]
    assert f"{100 * mean:.1f}~\\% ($p = 0$)" in macros["dropoutSummary"]
    assert macros["momentumSummary"] == ""  # the study of this test has no such experiment
    assert macros["verdictSummary"] == "Of the paper's 2 claims, 1 is reproduced (C1) and 1 is not applicable (C5)."
    assert "dead: at chance, and the gradient" in macros["outcomeMeanings"]


def test_the_report_source_holds_no_results() -> None:
    text = (PROJECT / "report" / "report.tex").read_text().split(r"\section{Results}")[1]
    assert not re.search(r"\d\d\.\d|\d+ ?(runs|seeds)\b", text)


def test_whole_numbers_in_a_row_are_told_by_their_ends() -> None:
    assert format_spans([*range(10, 20), 21, 5, 6]) == "5, 6, 10 to 19, 21"
    assert format_spans([3]) == "3"


def test_the_claims_table_has_verdict_and_effect_and_the_rules_have_the_reason() -> None:
    table = fill("claims.tex", collect())
    assert r"\emph{the larger $m$, the slower the loss falls per server step} \\".replace(r"} \\", "}}") in table
    effect = (
        r"mean training loss, $m = 10$ minus $m = 1$ (the pair that decides): +0.100 nats [$-$0.020, +0.200] (95~\%)"
    )
    assert rf"C1 & \textbf{{reproduced}} & {effect} & $<$0.001 (0.004) & 2 \\" in table
    assert r"C5-\allowbreak server-\allowbreak ema & \textbf{not applicable} & -- & -- & 0 \\" in table
    rules = fill("rules.tex", collect())
    assert r"\textbf{C3b.} Reproduced: some runs die, but not all." in rules
    assert r"\emph{Here:} The mean loss rises from" in rules
    assert r"\emph{Here:} C5-server-ema: no paired runs at $m = 100$" in rules


def test_the_claims_table_shows_an_earlier_edition_beside_and_leaves_out_what_is_judged_elsewhere() -> None:
    found = collect()
    first, second = found["verdicts"]
    first["earlier"] = {**first, "verdict": "inconclusive", "named_size": "+0.1 nats", "confidence": 0.9}
    second["same_steps_as"] = "worker-ema"
    found["editions"] = {"own": "second", "earlier": "first"}
    table = fill("claims.tex", found)
    assert "& First edition" in table
    assert r"& 2 & inconclusive: +0.1 nats (90~\%) \\" in table
    assert "C5-server-ema (as worker-ema)." in table
    assert r"C5-\allowbreak" not in table


def test_the_accuracy_tables_list_each_arm_once() -> None:
    text = fill("accuracy.tex", collect())
    assert len(re.findall(r"\$\\pm\$", text)) == len(TABLES["arms"])
    assert r"$m = 100$, server EMA" in text
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 1
    assert [name for name in ("delay", "momentum", "dropout") if rf"\emph{{{name}}}" in text] == [
        "delay",
        "momentum",
        "dropout",
    ]


def test_an_experiment_of_very_many_arms_is_only_noted() -> None:
    arms = pd.concat(
        [TABLES["arms"].assign(arm=TABLES["arms"]["arm"] + str(k), learning_rate=0.01 * k) for k in range(1, 10)]
    )
    arms = arms.assign(experiments="map").reset_index(drop=True)
    text = fill("accuracy.tex", {"accuracies": list_accuracies({"runs": list_runs(arms), "arms": arms})})
    assert text.splitlines()[1:] == [f"The {len(arms)} arms of map are listed only in arms.csv."]


def test_more_arms_than_fit_a_page_are_only_noted() -> None:
    copies = [TABLES["arms"].assign(arm=TABLES["arms"]["arm"] + str(k), learning_rate=0.01 * k) for k in range(1, 20)]
    arms = pd.concat([arms.assign(experiments=f"part{k}") for k, arms in enumerate(copies)], ignore_index=True)
    text = fill("accuracy.tex", {"accuracies": list_accuracies({"runs": list_runs(arms), "arms": arms})})
    assert text.splitlines()[1:] == [f"The {len(arms)} arms of all experiments are listed only in arms.csv."]


def test_the_environment_tolerates_missing_values(tmp_path: Path) -> None:
    text = write_example(tmp_path)["environment.tex"]
    assert r"Processor & A\_1 \& B" in text
    assert "Python & not recorded" in text


def test_the_environment_is_gathered_from_the_records(tmp_path: Path) -> None:
    for index, cpu in enumerate(("one", "two")):
        record = {
            "hardware": {"cpu": cpu, "cores": 2},
            "versions": {"python": "3.11"},
            "last_step": 10,
            "wall_seconds": 1800,
        }
        (tmp_path / f"{index}.json").write_text(json.dumps(record))
    found = describe_records(map(read_json, sorted(tmp_path.glob("*.json"))))
    assert found == {"cpu": "one / two", "cores": "2", "python": "3.11", "total_steps": 20, "core_hours": 1.0}


def test_gradients_are_counted_where_they_are_not_steps() -> None:
    records: list[dict[str, Any]] = [
        {"last_step": 10, "config": {"batch_size": 4}},
        {"last_step": 10, "config": {"batch_size": 4}, "gradients": {"applied": 30, "discarded": 0, "cancelled": 5}},
        {"last_step": 7, "config": {"batch_size": 64}, "gradients": {"applied": 7}},
        {"last_step": 5, "config": {"batch_size": 4, "network": "resnet8"}, "gradients": {"applied": 5}},
        {"last_step": 3, "config": {"batch_size": 4, "execution": "real"}, "gradients": {"applied": 3}},
    ]
    assert describe_records(records) == {"total_steps": 35, "total_gradients": 60, "benchmarked_gradients": 45}
    assert describe_records(records[:1]) == {"total_steps": 10}
    assert describe_records(records[2:3]) == {"total_steps": 7, "benchmarked_gradients": 0}


def test_the_set_up_names_the_base_and_lists_the_papers_runs() -> None:
    """Not other mini-batches, nor the rates and the m of calibrated experiments."""
    further = TABLES["arms"].iloc[:2].assign(arm=["a", "b"], experiments=["delay", "growth"], learning_rate=0.5)
    further["batch_size"], further["num_workers"] = [64, 4], [10, 1000]
    arms = pd.concat([TABLES["arms"], further], ignore_index=True)
    params = make_params()
    growth = params.selected.experiments["delay"].model_copy(update={"calibrated": "accuracy"})
    params.selected.experiments["growth"] = growth
    runs = pd.concat([RUNS, RUNS.iloc[:2].assign(run=["a-0", "b-0"], arm=["a", "b"], experiments=["delay", "growth"])])
    numbers = collect_numbers(params, runs, arms, VERDICTS, {}, FIGURES)
    macros = read_macros(fill("numbers.tex", {**numbers, "unplaced": []}))
    assert (macros["batchSize"], macros["learningRate"], macros["largestWorkers"]) == ("4", "0.01", "100")
    assert (macros["evaluationsPerEpoch"], macros["trainEvalImages"]) == ("4", r"2\,000")


def test_the_first_error_of_latex_is_found() -> None:
    output = "This is pdfTeX\n./report.tex:12: Undefined control sequence.\nl.12 \\nope\n! later"
    assert find_first_error(output) == "./report.tex:12: Undefined control sequence."
    assert find_first_error("x\n! Emergency stop.\ny") == "! Emergency stop."


def build_example(folder: Path, demonstration: bool) -> str:
    write_example(folder, demonstration)
    use_style(PROJECT / "report" / "asgd.mplstyle")
    draw_figure("figure1_delay", TABLES, "delay", folder / "figure1_delay")
    generated = [*(folder / name for name in GENERATED), folder / "figure1_delay.pdf"]
    build_report(PROJECT / "report", generated, folder / "report.pdf")
    command = ["pdftotext", "-l", "1", folder / "report.pdf", "-"]
    return " ".join(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


@needs_latex
@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="skipped: no pdftotext")
def test_the_report_builds_and_a_demonstration_says_so_on_its_first_page(tmp_path: Path) -> None:
    first = build_example(tmp_path / "a", demonstration=True)
    assert "This is a demonstration on synthetic data." in first
    assert "no evidence for or against the paper" in first
    assert "no evidence" not in build_example(tmp_path / "b", demonstration=False)
    command = ["pdftotext", tmp_path / "b" / "report.pdf", "-"]
    text = " ".join(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert "Figure 1 of the paper: (a) training loss" in text
    assert "Figure 2 of the paper: (a)" not in text  # the study of this test has no such figure
    assert "??" not in text
    assert "C10" not in text
    assert "C3b. Reproduced: some runs die, but not all." in text
    assert "Reproduced: some runs die, but not all." in text
    assert not (tmp_path / "b" / "report.log").exists()


@needs_latex
def test_the_same_sources_give_the_same_pdf(tmp_path: Path) -> None:
    for name in ("a", "b"):
        build_report_without_figures(tmp_path / name)
    assert (tmp_path / "a" / "report.pdf").read_bytes() == (tmp_path / "b" / "report.pdf").read_bytes()


def build_report_without_figures(folder: Path) -> None:
    write_example(folder)
    build_report(PROJECT / "report", [folder / name for name in GENERATED], folder / "report.pdf")


@needs_latex
def test_a_failed_build_names_the_error_and_keeps_the_log(tmp_path: Path) -> None:
    (tmp_path / "report.tex").write_text("\\documentclass{article}\n\\begin{document}\n\\nope\n\\end{document}\n")
    with pytest.raises(AsgdError, match=r"LaTeX failed: .*report\.tex:3: Undefined control sequence.*out\.log"):
        build_report(tmp_path, [], tmp_path / "out.pdf")
    assert "Undefined control sequence" in (tmp_path / "out.log").read_text()
    assert not (tmp_path / "out.pdf").exists()


@needs_latex
def test_what_a_page_would_cut_off_is_refused(tmp_path: Path) -> None:
    lines = ["\\documentclass{article}", "\\begin{document}", "\\begin{table}[!tp]", "\\rule{1pt}{2\\textheight}"]
    lines += ["\\end{table}", "Text.", "\\end{document}"]
    (tmp_path / "report.tex").write_text("\n".join(lines))
    with pytest.raises(AsgdError, match=r"Float too large for page by .* on input line 5, so that it would be cut off"):
        build_report(tmp_path, [], tmp_path / "out.pdf")
    assert not (tmp_path / "out.pdf").exists()


@needs_latex
def test_many_verdicts_fit_on_their_page(tmp_path: Path) -> None:
    write_example(tmp_path)
    claims = (tmp_path / "claims.tex").read_text()
    row = next(line for line in claims.splitlines() if line.startswith("C1 &"))
    (tmp_path / "claims.tex").write_text(claims.replace(row, "\n".join([row] * 80), 1))
    build_report(PROJECT / "report", [tmp_path / name for name in GENERATED], tmp_path / "report.pdf")


@needs_latex
def test_a_missing_generated_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(AsgdError, match=r"numbers\.tex: cannot be read"):
        build_report(PROJECT / "report", [tmp_path / "numbers.tex"], tmp_path / "out.pdf")


def test_a_study_lists_the_figures_that_it_has_and_no_other(tmp_path: Path) -> None:
    """So a figure that is added changes nothing of a study that lacks it."""
    assert "real_speed" not in write_example(tmp_path)["figures.tex"]
    report = Path(shutil.copytree(PROJECT / "report", tmp_path / "report"))
    manuscript = report / "report.tex"
    manuscript.write_text(manuscript.read_text().replace("{real_speed}", "{another}"))
    write_tables(tmp_path, report, {**collect(), "figures": [*FIGURES, "real_speed"]})
    assert r"\withfigure{real_speed}{\resultfigure{real_speed}{" in (tmp_path / "figures.tex").read_text()
