"""The results in git are those of the sources and parameters beside them, and are judged by the margins of now."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from asgd.analyses.analysis import analysis_tables
from asgd.claims import Verdict, claims_from_json
from asgd.commands.cli import main
from asgd.files import read_json
from asgd.report.readme import read_block
from asgd.settings.study import load_params
from asgd.study.plan import plan_study
from asgd.study.remake import check_readme
from asgd.study.shipped import Results
from asgd.tables.columns import AGGREGATED
from asgd.tables.files import find_repeated, read_table
from tests.pipeline import ROOT, run

PRESET = "paper-jpeg"
PARAMS = load_params(ROOT / "params.yaml")
SHIPPED = [name for name, study in PARAMS.presets.items() if study.shipped]
TABLES = sorted((ROOT / "results").glob("*/tables/*.csv"))


def judge(tmp_path: Path, **margins: object) -> dict[str, Verdict]:
    """The verdicts of `asgd claims` on the shipped tables of the study, with other margins."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["claims"] |= margins
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    arguments = ["--preset", PRESET, "--params", str(tmp_path / "params.yaml"), "--results", str(ROOT / "results")]
    assert main(["claims", *arguments, "--json", str(tmp_path / "claims.json")]) == 0
    return {verdict.id: verdict for verdict in claims_from_json(read_json(tmp_path / "claims.json")).verdicts}


@pytest.mark.parametrize("preset", SHIPPED)
def test_what_is_shipped_matches_and_can_be_made_again(
    preset: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--params", str(ROOT / "params.yaml"), "--results", str(ROOT / "results"), "--data-root", str(tmp_path)]
    status = main(["verify", "--preset", preset, *flags])
    report = capsys.readouterr().out
    assert status == 0, report
    assert ("runs.csv" in report, "runs.parquet" in report) == (
        (False, True) if PARAMS.presets[preset].table_format == "parquet" else (True, False)
    )
    assert not re.search(r" against\s*$", report, re.MULTILINE)
    assert ("only: nothing" in report) == (preset == "second")  # the runs of its analyses are packed too


def test_what_git_has_is_what_params_yaml_says_is_shipped() -> None:
    tracked = run(["git", "ls-files", "results"], ROOT).split()
    assert {name.split("/")[1] for name in tracked if name.endswith("/study.json")} == set(SHIPPED)
    packed = {study.shipped.runs for study in PARAMS.presets.values() if study.shipped and study.shipped.runs}
    archives = {name.removeprefix("results/") for name in tracked if name.endswith(".tar.xz")}
    assert archives == packed
    reports = {name.split("/")[1] for name in tracked if name.endswith("report.pdf")}
    assert reports == {name for name, study in PARAMS.presets.items() if study.shipped and study.shipped.report}
    shown = re.findall(r"\]\(results/([\w-]+)/figures/", (ROOT / "README.md").read_text())
    assert set(shown) == {name for name, study in PARAMS.presets.items() if study.shipped and study.shipped.readme}


@pytest.mark.skipif(shutil.which("pdfinfo") is None, reason="skipped: no pdfinfo")
@pytest.mark.parametrize("preset", [name for name in SHIPPED if getattr(PARAMS.presets[name].shipped, "report", False)])
def test_a_report_has_at_most_sixteen_pages(preset: str) -> None:
    about = run(["pdfinfo", f"results/{preset}/report.pdf"], ROOT)
    assert int(re.findall(r"^Pages: +(\d+)$", about, re.MULTILINE)[0]) <= 16


@pytest.mark.parametrize("path", TABLES, ids=lambda path: "/".join(path.parts[-3::2]))
def test_no_two_rows_of_a_table_have_the_same_key(path: Path) -> None:
    declared = (AGGREGATED | analysis_tables())[path.stem]
    table = read_table(path, declared.columns)
    assert len(table)
    assert find_repeated(table, declared.key) == ""


def test_the_readme_and_the_benchmark_are_compared(tmp_path: Path) -> None:
    """On a copy of what is read, changed in one place after another."""
    (shown,) = (name for name, study in PARAMS.presets.items() if study.shipped and study.shipped.readme)
    compared = [shown, *filter(None, [PARAMS.presets[shown].earlier])]
    study_files = [f"results/{preset}/{name}.json" for preset in compared for name in ("claims", "study")]
    for name in ("README.md", "CITATION.cff", "results/benchmark.json", *study_files):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for folder in (f"results/{shown}/tables", "report/templates"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    study = plan_study(load_params(ROOT / "params.yaml", shown), tmp_path)
    results = Results(study, tmp_path / f"results/{shown}", tmp_path)
    assert check_readme(results).faults == ()
    other = "| not&nbsp;reproduced |"
    block = enumerate(read_block(tmp_path / "README.md", "claims").splitlines(), 1)
    line = next(number for number, text in block if other in text)
    for name, old, new, words in (
        ("README.md", other, "| reproduced |", f"README.md: claims: line {line} "),
        ("README.md", "per worker, would need ", "per worker, would need 1", "README.md: results: line "),
        (
            "results/benchmark.json",
            '"microseconds": ',
            '"microseconds": 1',
            "benchmark.json: naive at m = 1: speed and",
        ),
        (
            f"results/{shown}/claims.json",
            '"verdict": "reproduced"',
            '"verdict": "partly"',
            "README.md: claims: line 1 ",
        ),
    ):
        sound = (tmp_path / name).read_text()
        assert old in sound
        (tmp_path / name).write_text(sound.replace(old, new, 1))
        assert any(words in fault for fault in check_readme(results).faults), check_readme(results).faults
        (tmp_path / name).write_text(sound)


def test_every_claims_file_names_its_edition_of_the_rules() -> None:
    named = {preset: read_json(ROOT / f"results/{preset}/claims.json")["margins"]["edition"] for preset in SHIPPED}
    fresh = {"rates": "second", "second": "second"}
    assert named == dict.fromkeys(SHIPPED, "first") | fresh


def test_every_claim_has_the_shipped_verdict(tmp_path: Path) -> None:
    shipped = claims_from_json(read_json(ROOT / f"results/{PRESET}/claims.json")).verdicts
    assert judge(tmp_path) == {verdict.id: verdict for verdict in shipped}
    assert {verdict.claim for verdict in shipped} == {"C1", "C2", "C3", "C3b", "C4", "C5", "C6"}
    assert "not applicable" not in {verdict.verdict for verdict in shipped}


def test_another_margin_is_another_verdict(tmp_path: Path) -> None:
    narrow, wide = (judge(tmp_path, equivalence_points=margin)["C4-worker-ema"] for margin in (0.1, 10.0))
    assert narrow.verdict == "not reproduced"  # at m = 30 the whole interval lies above 0.1 points
    assert wide.verdict == "reproduced"
    assert narrow.interval == wide.interval  # the runs are the same
    assert judge(tmp_path, gap_points=[0.5, 4.0])["C2"].verdict == "reproduced"


def test_each_arm_has_all_its_seeds() -> None:
    manifest = read_json(ROOT / f"results/{PRESET}/tables/study.json")
    expected = {"delay": 9 * 10, "momentum": 7 * 5 * 10, "dropout": 7 * 10, "readings": 16 * 10, "map": 196 * 5}
    counts = {name: len(set(runs)) for name, runs in manifest["experiments"].items()}
    assert {name: counts[name] for name in expected} == expected
    assert counts["regulariser"] == 6 * 10
