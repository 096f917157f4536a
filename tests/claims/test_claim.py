"""A claim is one file: its statement, rule, words and judge are found by being there."""

import json
import math
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from asgd.claims.claim import Claim, find_claims
from asgd.claims.verdict import Verdict
from asgd.claims.wording import (
    describe_rule,
    format_interval,
    format_percent,
    format_size,
    list_words,
    render,
    state,
)
from asgd.errors import AsgdError
from asgd.settings.claims import ClaimsConfig

PROJECT = Path(__file__).parents[2]

#: A claim that no edition has: at the largest m of C1 all runs train.
NEW_CLAIM = """
from asgd.claims.claim import Claim
from asgd.claims.verdict import Verdict

CLAIM = Claim(
    id="C10",
    statement="all runs train at m = {{ margins.slow_workers[-1] }}",
    rule="Reproduced: all do. Not reproduced: one does not.",
    effect="share of trained runs",
    reason="{{ found.trained }} of {{ n }} runs trained",
)


def judge(evidence):
    arm = evidence.runs_of(num_workers=evidence.margins.slow_workers[-1])
    trained = int((arm["outcome"] == "trained").sum())
    verdict = "reproduced" if trained == len(arm) else "not reproduced"
    share = trained / len(arm)
    numbers = {"effect": share, "unit": "probability", "n": len(arm), "details": {"trained": trained}}
    return [Verdict(claim=CLAIM.id, verdict=verdict, **numbers)]
"""
#: Judges a table of four runs and writes all that shows verdicts.
SHOW = """
import sys
from pathlib import Path
from asgd.claims import claims_to_json, format_claims, judge_claims
from asgd.commands.claims_page import make_claims_page as make_rules
from asgd.files import write_json, write_text
from asgd.report import make_claims_page
from asgd.report.page import describe_claims
from asgd.report.readme import collect_claims
from asgd.report.templates import Templates
from asgd.settings.claims import ClaimsConfig
from tests.study_tables import make_study, map_configs

runs, evaluations = make_study(map_configs([0.01], [1, 30], 2), "delay", lambda config: (0.5, "trained"))
base = next(iter(map_configs([0.01], [1], 1)))
verdicts, out, report = judge_claims(runs, evaluations, ClaimsConfig(), base), Path(sys.argv[1]), Path(sys.argv[2])
write_json(out / "claims.json", claims_to_json(verdicts))
write_text(out / "terminal", format_claims(verdicts))
write_text(out / "page", make_claims_page(verdicts, report))
numbers = describe_claims(verdicts)
for name in ("claims.tex", "rules.tex"):
    write_text(out / name, Templates(report / "templates").render(name, numbers))
shown = {"study": {"name": "one", "description": "", "edition": "first", "n_runs": 4}, "earlier": None}
shown |= collect_claims(verdicts)
write_text(out / "README", Templates(report / "templates").render("readme/claims.md", shown))
write_text(out / "rules-page", make_rules())
"""


def test_claims_are_ordered_by_number_and_letter() -> None:
    assert list(find_claims("first")) == ["C1", "C2", "C3", "C3b", "C4", "C5", "C6"]


def test_two_claims_of_one_id_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    claim = Claim("C7", "a", "b", "c", "d")
    monkeypatch.setattr("asgd.claims.claim.EDITIONS", {"first": ("asgd.claims.first", {"a": claim, "b": claim})})
    find_claims.cache_clear()
    with pytest.raises(AsgdError, match="two claims have the id C7"):
        find_claims("first")
    find_claims.cache_clear()


def test_margins_are_filled_into_statements_and_rules() -> None:
    margins = ClaimsConfig(slow_workers=[1, 4], gap_workers=(3, 7), gap_points=(0.5, 4), gap_share=0.8)
    claims = find_claims("first")
    assert state(claims["C4"], margins) == "momentum makes no difference at m = 1, 4"
    rule = describe_rule(claims["C2"], margins)
    assert "at m = 3 minus that at m = 7 has a 90\N{NO-BREAK SPACE}% interval" in rule
    assert "inside [0.5, 4] points at 80\N{NO-BREAK SPACE}% or more" in rule
    assert "more than 20\N{NO-BREAK SPACE}% of them" in rule
    for claim in claims.values():
        assert not {"{", "}", "  "} & set(state(claim, margins) + describe_rule(claim, margins))


def test_numbers_are_written_as_asked() -> None:
    assert format_interval([-0.001, 0.25], "+z.2f") == "[+0.00, +0.25]"
    assert format_percent(1 - 0.9, "g") == "10\N{NO-BREAK SPACE}%"
    assert [list_words(items) for items in ([], [1], [1, 2], [1, 2, 0.5])] == ["", "1", "1 and 2", "1, 2 and 0.5"]


def test_a_name_that_is_missing_may_be_asked_for_but_not_printed() -> None:
    assert render("{% if found.other %}a{% else %}b{% endif %}", found={}) == "b"
    with pytest.raises(Exception, match="no attribute 'other'"):
        render("{{ found.other }}", found={})


def test_a_new_claim_is_one_new_file(tmp_path: Path) -> None:
    """In a copy of the sources: judged, and shown in claims.json, terminal, pages, report and README."""
    for name in ("src/asgd", "tests", "report"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(PROJECT / name, tmp_path / name, ignore=ignored)
    (tmp_path / "src/asgd/claims/first/c10_all_train.py").write_text(NEW_CLAIM)
    out = tmp_path / "out"
    out.mkdir()
    environment = {"PYTHONPATH": f"{tmp_path / 'src'}:{tmp_path}", "PATH": "", "HOME": str(tmp_path)}
    command = [sys.executable, "-c", SHOW, out, tmp_path / "report"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    last = json.loads((out / "claims.json").read_text())["verdicts"][-1]
    assert (last["claim"], last["verdict"], last["effect"]) == ("C10", "reproduced", 1.0)
    shown = {path.name: path.read_text() for path in out.iterdir() if path.name != "claims.json"}
    assert len(shown) == 6
    for name, text in shown.items():
        assert "C10" in text, name
        plain = text.replace("$", "")
        by_id_alone = ("terminal", "rules.tex")
        assert "all runs train at m = 30" in plain or name in by_id_alone, name
    assert "2 of 2 runs trained" in shown["page"]
    assert "Reproduced: all do." in shown["rules.tex"]


def test_the_logarithm_of_a_ratio_is_shown_as_the_ratio() -> None:
    times = Verdict(
        claim="C7", verdict="reproduced", effect=math.log(8), unit="log ratio", interval=(math.log(6), math.log(10.5))
    )
    assert format_size(times) == "8.00 times [6.00, 10.5]"
    workers = Verdict(claim="E3", verdict="supported", effect=1.0, unit="log10 ratio")
    assert format_size(workers) == "10.0 times"
