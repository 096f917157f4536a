"""The README shows what the shipped results say, and its code runs."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from asgd.claims import Verdict, Verdicts
from asgd.errors import AsgdError
from asgd.report.generated import list_blocks
from asgd.report.readme import collect_claims, find_shown, make_blocks, update_block, update_readme
from asgd.report.templates import Templates
from asgd.settings.claims import ClaimsConfig
from asgd.settings.study import Params, load_params
from tests.pipeline import ROOT, TINY, borrow_environment, copy_repository, run

README = (ROOT / "README.md").read_text(encoding="utf-8")


def list_code(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def render_claims(verdicts: list[Verdict], earlier: list[Verdict] | None = None, edition: str = "first") -> list[str]:
    """The lines of the block of claims; ``earlier`` verdicts are those of a study by the first edition."""
    study = {"name": "one", "description": "a study", "edition": edition, "n_runs": 1590}
    judged = Verdicts(margins=ClaimsConfig(edition=edition), verdicts=verdicts)
    before = Verdicts(margins=ClaimsConfig(), verdicts=earlier) if earlier else None
    numbers = {"study": study, "earlier": "zero" if earlier else None, **collect_claims(judged, before)}
    return Templates(ROOT / "report/templates").render("readme/claims.md", numbers).splitlines()


def judge(claim: str, verdict: str, **rest: object) -> Verdict:
    details: dict[str, object] = {"outcomes": {}, "tested": [], "absent": [], "both_fail": [], "decisive": 10}
    details |= {"identical": 0, "recorded": 0, "with": {}, "not_trained_interval": [0, 1]}
    return Verdict(claim=claim, verdict=verdict, details=details, **rest)  # type: ignore[arg-type]


C3 = judge("C3", "not reproduced", effect=0.1, unit="probability", interval=(0.02, 0.4), confidence=0.95, n=10)
C4 = [judge("C4", "reproduced", variant="server-ema"), judge("C4", "inconclusive", variant="worker-ema")]


def test_its_tables_are_those_of_the_results(tmp_path: Path) -> None:
    copy = Path(shutil.copy(ROOT / "README.md", tmp_path))
    update_readme(copy, load_params(ROOT / "params.yaml"), ROOT / "results", ROOT)
    assert copy.read_text(encoding="utf-8") == README, "run: make readme"


def test_a_study_has_a_sentence_and_a_row_for_each_verdict() -> None:
    lines = render_claims([C3, *C4])
    assert lines[0] == "**Of the paper's 2 claims, 1 is not (C3) and 1 depends on the kind of momentum (C4).**"
    first, header, *rows = [line for line in lines if line.startswith("|")]
    assert (first, header) == ("| Claim | Verdict | Effect and interval | n |", "|---|---|---|---:|")
    assert rows[0].startswith("| **C3** m = 100 does not train")
    assert rows[0].endswith("| not&nbsp;reproduced | P(dead) = 0.10 [0.02,&nbsp;0.40] | 10 |")
    assert rows[1] == "| **C4** momentum makes no difference at m = 1, 10, 20, 30 | | | |"
    assert rows[2:] == ["| &emsp;server, EMA | reproduced | - | 0 |", "| &emsp;worker, EMA | inconclusive | - | 0 |"]


def test_an_interval_at_another_level_than_most_of_its_claim_says_so() -> None:
    measured = {"effect": 1.0, "unit": "points", "interval": (0.5, 1.5)}
    wide = [judge("C4", "inconclusive", variant=kind, confidence=0.99, **measured) for kind in ("a", "b")]
    narrow = judge("C4", "reproduced", variant="c", confidence=0.9, **measured)
    lines = render_claims([*wide, narrow], [wide[0], narrow.model_copy(update={"variant": "b"})])
    size = "+1.0 points [+0.5,&nbsp;+1.5]"
    assert [line.split(" | ", 2)[2] for line in lines if line.startswith("| &emsp;")] == [
        f"{size} | 0 | inconclusive: {size} |",
        f"{size} | 0 | reproduced: {size} (90\N{NO-BREAK SPACE}%) |",
        f"{size} (90\N{NO-BREAK SPACE}%) | 0 | - |",
    ]
    assert lines[-1].endswith("Brackets are 99\N{NO-BREAK SPACE}% intervals.")


def test_an_earlier_study_stands_beside_and_what_is_beyond_the_paper_below() -> None:
    base = C3.model_copy(update={"setting": {"learning_rate": 0.01}})
    again = judge("C3", "reproduced", variant="same-rate", setting={"learning_rate": 0.02})
    lines = render_claims([base, again, judge("E9", "supported")], [C3], edition="second")
    assert lines[0] == "**Of the paper's 1 claims, 1 depends on the setting (C3).**"
    assert "**Of 1 statements beyond the paper, 1 is supported (E9).**" in lines
    own, beyond = [number for number, line in enumerate(lines) if line.startswith("| Claim")]
    assert lines[own] == "| Claim | Verdict | Effect and interval | n | First edition |"
    assert lines[own + 3].startswith("| &emsp;at learning rate 0.01 | not&nbsp;reproduced |")
    assert lines[own + 3].endswith("| not reproduced: P(dead) = 0.10 [0.02,&nbsp;0.40] |")
    assert lines[own + 4] == "| &emsp;at learning rate 0.02 | reproduced | - | 0 | - |"
    assert lines[beyond + 2].startswith("| **E9** ")
    assert lines[beyond + 2].endswith("| supported | - | 0 |")
    assert any("(results/zero/report.pdf)" in line for line in lines)


def test_kinds_are_told_by_their_names_and_where_it_must_be_by_their_settings() -> None:
    base, faster = {"learning_rate": 0.01, "epochs": 10}, {"learning_rate": 0.02, "epochs": 3}
    judged = [
        judge("C5", "not reproduced", variant="server-pytorch", setting=base),
        judge("C5", "inconclusive", variant="worker-ema", setting=base),
        judge("C5", "reproduced", variant="worker-ema-same-rate", setting=faster),
    ]
    same = judge("C5", "not applicable", variant="server-pytorch-scaled", setting=base)
    same.details["same_steps_as"] = "server-ema"
    labels = [line.split(" | ")[0] for line in render_claims([*judged, same], edition="second") if "&emsp;" in line]
    assert labels == [
        "| &emsp;server, PyTorch",
        "| &emsp;worker, EMA at learning rate 0.01, 10 epochs",
        "| &emsp;worker, EMA at learning rate 0.02, 3 epochs",
    ]


def test_one_study_must_be_chosen() -> None:
    preset = {"data": {"source": "synthetic"}, "seeds": [0], "experiments": {"delay": {"num_workers": 1}}}

    def choose(*shown: str) -> Params:
        presets = {name: {**preset, "shipped": {"readme": name in shown}} for name in ("one", "two")}
        return Params.model_validate({"preset": "one", "presets": presets})

    assert (find_shown(choose("two")), find_shown(choose())) == ("two", None)
    with pytest.raises(AsgdError, match=r"`shipped\.readme` is true in one and two; set it in one of them"):
        find_shown(choose("one", "two"))
    with pytest.raises(AsgdError, match=r"none has `shipped\.readme`, and the README shows one study"):
        make_blocks(choose(), ROOT / "results", ROOT)


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
