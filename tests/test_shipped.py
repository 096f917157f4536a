"""The results in git are those of the sources and parameters beside them, and are judged by the margins of now."""

from pathlib import Path

import pytest
import yaml

from asgd.claims import Verdict, claims_from_json
from asgd.cli import main
from asgd.files import read_json
from tests.pipeline import ROOT

PRESET = "paper-jpeg"


def judge(tmp_path: Path, **margins: object) -> dict[str, Verdict]:
    """The verdicts of `asgd claims` on the shipped tables of the study, with other margins."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["claims"] |= margins
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    arguments = ["--preset", PRESET, "--params", str(tmp_path / "params.yaml"), "--results", str(ROOT / "results")]
    assert main(["claims", *arguments, "--json", str(tmp_path / "claims.json")]) == 0
    return {verdict.id: verdict for verdict in claims_from_json(read_json(tmp_path / "claims.json"))}


def test_what_is_shipped_matches_its_configuration_sources_and_checksums(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--params", str(ROOT / "params.yaml"), "--results", str(ROOT / "results"), "--data-root", str(tmp_path)]
    status = main(["verify", "--preset", PRESET, *flags])
    assert status == 0, capsys.readouterr().out


def test_every_claim_has_the_shipped_verdict(tmp_path: Path) -> None:
    shipped = claims_from_json(read_json(ROOT / f"results/{PRESET}/claims.json"))
    assert judge(tmp_path) == {verdict.id: verdict for verdict in shipped}
    assert {verdict.id.split("-")[0] for verdict in shipped} == {"C1", "C2", "C3", "C3b", "C4", "C5", "C6"}
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
