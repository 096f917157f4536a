"""The generated LaTeX says what the tables say, and the report builds."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from asgd.claims import Verdict
from asgd.errors import AsgdError
from asgd.figures.drawing import draw_figure
from asgd.figures.style import use_style
from asgd.report import GENERATED, build_report, collect_environment, write_tables
from asgd.report.build import find_first_error
from asgd.report.latex import define_macros, escape, format_count, list_words
from asgd.report.tables import make_accuracy_tables, make_claims_table
from asgd.settings.study import Params
from tests.example_tables import make_runs, make_tables

PROJECT = Path(__file__).parents[1]
TABLES = make_tables(num_seeds=2)
RUNS = make_runs(TABLES)
VERDICTS = [
    Verdict(
        id="C1",
        claim="the larger m, the slower",
        verdict="reproduced",
        effect=0.1,
        unit="nats",
        effect_name="mean training loss",
        interval=(-0.02, 0.2),
        confidence=0.95,
        p_value=0.0001,
        p_adjusted=0.004,
        n=2,
        reason="50% of a_b & c",
    ),
    Verdict(id="C5-server-ema", claim="with momentum, m = 100 trains", verdict="inconclusive", reason="too few seeds"),
]
needs_latex = pytest.mark.skipif(shutil.which("latexmk") is None, reason="skipped: no latexmk")


def make_params(demonstration: bool = True) -> Params:
    preset = {
        "description": "50% & more_or_less",
        "demonstration": demonstration,
        "data": {"source": "synthetic"},
        "seeds": [0, 1],
        "experiments": {"delay": {"num_workers": [1, 10]}},
    }
    return Params.model_validate({"preset": "toy_1", "presets": {"toy_1": preset}})


def write_example(folder: Path, demonstration: bool = True) -> dict[str, str]:
    write_tables(folder, make_params(demonstration), RUNS, TABLES["arms"], VERDICTS, {"cpu": "A_1 & B"})
    return {name: (folder / name).read_text() for name in GENERATED}


def read_macros(text: str) -> dict[str, str]:
    return dict(re.findall(r"^\\newcommand\{\\([A-Za-z]+)\}\{(.*)\}$", text, re.MULTILINE))


def test_special_characters_are_escaped() -> None:
    assert escape("50% of a_b & #1 {x} $ ^ ~ \\") == (
        r"50\% of a\_b \& \#1 \{x\} \$ \textasciicircum{} \textasciitilde{} \textbackslash{}"
    )


def test_numbers_and_symbols_are_mathematics() -> None:
    assert (
        escape("-3.1 points at m = 10, C5-server, [-2, +-4]") == r"$-$3.1 points at $m = 10$, C5-server, [$-$2, $\pm$4]"
    )


def test_characters_are_printed_or_named() -> None:
    assert escape("caf\u00e9 cafe\u0301 \u2264") == r"caf\'{e} caf\'{e} $\le$"
    assert escape("\u4e2d.tar") == "U+4E2D.tar"


def test_macro_names_are_letters_only() -> None:
    assert define_macros({"runCount": "12"}) == "\\newcommand{\\runCount}{12}\n"
    with pytest.raises(ValueError, match="letters only"):
        define_macros({"run_count": "12"})


def test_lists_and_counts_read_well() -> None:
    assert [list_words(items) for items in ([], [1], [1, 2], [1, 2, 0.5])] == ["", "1", "1 and 2", "1, 2 and 0.5"]
    assert format_count(1234567) == r"1\,234\,567"


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
    assert macros["verdictSummary"] == "reproduced: C1; inconclusive: C5-server-ema."


def test_the_report_source_holds_no_results() -> None:
    text = (PROJECT / "report" / "report.tex").read_text().split(r"\section{Results}")[1]
    assert not re.search(r"\d\d\.\d|\d+ ?(runs|seeds)\b", text)


def test_the_claims_table_has_verdict_effect_and_reason() -> None:
    table = make_claims_table(VERDICTS)
    assert r"\emph{the larger m, the slower}" in table
    assert r"\textbf{reproduced} & mean training loss: +0.100 nats [$-$0.020, +0.200] (95~\%)" in table
    assert r"$<$0.001 (0.004) & 2 & 50\% of a\_b \& c" in table
    assert r"C5-\allowbreak server-\allowbreak ema & \textbf{inconclusive} & -- & -- & 0 & too few seeds" in table


def test_the_accuracy_tables_list_each_arm_once() -> None:
    text = make_accuracy_tables(TABLES["arms"])
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
    text = make_accuracy_tables(arms.assign(experiments="map"))
    assert text == f"The {len(arms)} arms of experiment map are in the table of arms only (arms.csv).\n"


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
    found = collect_environment(sorted(tmp_path.glob("*.json")))
    assert found == {"cpu": "one / two", "cores": "2", "python": "3.11", "total_steps": 20, "core_hours": 1.0}


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
    assert "50% of a_b & c" in text.replace("a b", "a_b")
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
def test_a_missing_generated_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(AsgdError, match=r"numbers\.tex: cannot be read"):
        build_report(PROJECT / "report", [tmp_path / "numbers.tex"], tmp_path / "out.pdf")
