"""The README shows what the shipped results say, and its code runs."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from asgd.claims import Verdict, Verdicts
from asgd.errors import AsgdError
from asgd.report.generated import list_blocks
from asgd.report.readme import collect_claims, list_shown, update_block, update_readme
from asgd.report.templates import Templates
from asgd.settings.claims import ClaimsConfig
from asgd.settings.study import load_params
from tests.pipeline import ROOT, TINY, borrow_environment, copy_repository, run

README = (ROOT / "README.md").read_text(encoding="utf-8")


def list_code(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def render_claims(studies: Mapping[str, list[Verdict]], **editions: str) -> list[str]:
    """The lines of the block of claims, of studies that are judged by the first edition unless ``editions`` differ."""
    margins = {name: ClaimsConfig(edition=editions.get(name, "first")) for name in studies}
    shown = [
        {"name": name, "description": f"study {name}", "edition": margins[name].edition, "n_runs": 1590}
        for name in studies
    ]
    judged = {name: Verdicts(margins=margins[name], verdicts=verdicts) for name, verdicts in studies.items()}
    numbers = {"studies": shown, **collect_claims(judged)}
    return Templates(ROOT / "report/templates").render("readme/claims.md", numbers).splitlines()


def judge(claim: str, verdict: str, **rest: object) -> Verdict:
    details: dict[str, object] = {"outcomes": {}, "tested": [], "absent": [], "both_fail": [], "decisive": 10}
    details |= {"identical": 0, "recorded": 0, "with": {}, "not_trained_interval": [0, 1]}
    return Verdict(claim=claim, verdict=verdict, details=details, **rest)  # type: ignore[arg-type]


C3 = judge("C3", "not reproduced", effect=0.1, unit="probability", interval=(0.02, 0.4), confidence=0.95, n=10)
C4 = [judge("C4", "reproduced", variant="server-ema"), judge("C4", "inconclusive", variant="worker-ema")]


def test_its_tables_are_those_of_the_results(tmp_path: Path) -> None:
    copy = Path(shutil.copy(ROOT / "README.md", tmp_path))
    update_readme(copy, list_shown(load_params(ROOT / "params.yaml")), ROOT / "results", ROOT)
    assert copy.read_text(encoding="utf-8") == README, "run: make readme"


def test_one_study_has_a_sentence_and_a_row_for_each_verdict() -> None:
    lines = render_claims({"one": [C3, *C4]})
    assert lines[0] == "**Of the paper's 2 claims, 1 is not (C3) and 1 depends on the kind of momentum (C4).**"
    first, header, *rows = [line for line in lines if line.startswith("|")]
    assert (first, header) == ("| Claim | Verdict | Effect and interval |", "|---|---|---|")
    assert rows[0].startswith("| **C3** m = 100 does not train")
    assert rows[0].endswith("| not&nbsp;reproduced | P(dead) = 0.10 [0.02,&nbsp;0.40] |")
    assert rows[1] == "| **C4** momentum makes no difference at m = 1, 10, 20, 30 | | |"
    assert rows[2:] == ["| &emsp;server, EMA | reproduced | - |", "| &emsp;worker, EMA | inconclusive | - |"]


def test_two_editions_stand_side_by_side_and_a_claim_that_changed_its_words_has_two_rows() -> None:
    again = judge("C3", "reproduced", variant="same-rate", setting={"learning_rate": 0.02})
    lines = render_claims(
        {"one": [C3, judge("C5", "inconclusive", variant="server-ema")], "two": [C3, again, judge("E9", "supported")]},
        two="second",
    )
    assert lines[0] == "- `one`: Of the paper's 2 claims, 1 is not (C3) and 1 remains inconclusive (C5)."
    assert lines[1] == "- `two`: Of 2 claims, 1 depends on the setting (C3) and 1 is supported (E9)."
    rows = [line for line in lines if line.startswith("|")]
    assert rows[0] == "| Claim | Verdict in `one` | Effect and interval | Verdict in `two` | Effect and interval |"
    assert {line.count("|") for line in rows} == {6}
    base = next(line for line in rows if "at the base settings" in line)
    assert base.count("not&nbsp;reproduced") == 2  # in one row, whatever of it the label of one study alone says
    assert "| &emsp;at learning rate 0.02 | - | - | reproduced | - |" in rows
    assert next(line for line in rows if "**E9**" in line).endswith("| - | - | supported | - |")


def test_every_template_has_a_place_in_it() -> None:
    assert list_blocks(ROOT / "report") == ["benchmark", "cite", "claims", "results"]
    assert set(re.findall(r"<!-- (\w+): begin -->", README)) == set(list_blocks(ROOT / "report"))


def test_a_readme_without_a_place_for_a_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# Title\n")
    with pytest.raises(AsgdError, match=r"comments .* are missing"):
        update_block(tmp_path / "README.md", "claims", "")


def test_its_links_lead_to_files_and_headings() -> None:
    links = re.findall(r"\]\(([^)]+)\)", README) + re.findall(r'(?:src|srcset)="([^"]+)"', README)
    for link in links:
        path, _, anchor = link.partition("#")
        page = ROOT / (path or "README.md")
        assert page.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}, link


def test_its_programs_run(tmp_path: Path) -> None:
    """The first as it is; the second with a training loop after it."""
    whole, part = list_code("python")
    loop = f"{part}model(torch.ones(1, 10)).sum().backward()\noptimizer.step()\n"
    for program in (whole, f"{loop}assert optimizer.num_workers == 16"):
        subprocess.run(
            [sys.executable, "-c", program], cwd=tmp_path, env=os.environ | {"MPLBACKEND": "agg"}, check=True
        )
    assert (tmp_path / "curve.png").stat().st_size > 0


@pytest.mark.slow
@pytest.mark.skipif(not Path(sys.prefix, ".ready").exists(), reason="skipped: not in the environment that make makes")
def test_its_commands_run(tmp_path: Path) -> None:
    """In a clone, as they are written, on a study of seconds."""
    folder = tmp_path / "asgd"
    folder.mkdir()
    smoke = TINY | {"preset": "smoke", "presets": {"smoke": TINY["presets"]["tiny"]}}
    copy_repository(folder, smoke)
    borrow_environment(folder)
    for commands in list_code("sh"):
        run(["bash", "-euo", "pipefail", "-c", commands], folder)
    targets = re.findall(r"`make (\w+)`", README)
    assert {"figures", "paper"} <= set(targets)
    for target in targets:
        run(["make", "--dry-run", target], folder)
