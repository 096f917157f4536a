"""A stranger adds one of each: a figure, a claim, an analysis, a run parameter and a column. What each takes is here.

A new member is one file. A parameter is its entry in `RunConfig` and the line that uses it; a column its entry in the
table and the line that computes it.
"""

import copy
import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from tests.pipeline import TINY, Project

FILES = {
    "src/asgd/figures/accuracies.py": '''
"""The final accuracy of every arm."""

from matplotlib.figure import Figure

from asgd.figures.plot import Plot

PLOT = Plot(caption="The final test accuracy of every arm, in 100 %.", tables=("arms", "ranking"))


def draw(tables, experiment=None):
    figure = Figure(figsize=(3.5, 2))
    figure.subplots().barh(tables["arms"]["arm"], tables["arms"]["best_test_accuracy"])
    return figure
''',
    "src/asgd/claims/first/c10_training.py": '''
"""C10: all runs train."""

from asgd.claims.claim import Claim
from asgd.claims.verdict import Verdict

CLAIM = Claim(
    id="C10",
    statement="all runs train at m = {{ margins.slow_workers[0] }}",
    rule="Reproduced: all do. Not reproduced: one does not.",
    effect="share of trained runs",
    reason="{{ found.trained }} of {{ n }} runs trained",
)


def judge(evidence):
    arm = evidence.runs_of(num_workers=evidence.margins.slow_workers[0])
    trained = int((arm["outcome"] == "trained").sum())
    verdict = "reproduced" if trained == len(arm) else "not reproduced"
    numbers = {"effect": trained / len(arm), "unit": "probability", "n": len(arm), "details": {"trained": trained}}
    return [Verdict(claim=CLAIM.id, verdict=verdict, **numbers)]
''',
    "src/asgd/analyses/ranking.py": '''
"""The arms by their final accuracy."""

from asgd.analyses.analysis import Analysis
from asgd.settings.subjects import Subject
from asgd.tables.table import Table

ANALYSIS = Analysis(
    about=Subject(varies=("num_workers",)),
    reads=("runs",),
    tables={
        "ranking": Table(
            rows="one for each m, the best first",
            key=("num_workers",),
            columns={"num_workers": "m", "accuracy": "mean final test accuracy, in [0, 1]"},
        )
    },
)


def tabulate(given):
    means = given.tables["runs"].groupby("num_workers")["final_test_accuracy"].mean().sort_values(ascending=False)
    return {"ranking": means.rename("accuracy").reset_index()}, {}
''',
}
#: File, what stands there, and what is put before it.
LINES = [
    (
        "src/asgd/settings/run.py",
        "    seed: Seed = parameter(",
        '    weight_decay: float = parameter(0.0, as_before=0.0, ge=0, symbol="decay", description="pull towards 0")\n',
    ),
    (
        "src/asgd/simulator/reference.py",
        "                    loss_sum += loss",
        "                    gradient = gradient + self._decay * self.server.stale(worker)\n",
    ),
    (
        "src/asgd/simulator/reference.py",
        "        self.images, self.labels = select_images(config, images, labels)",
        "        self._decay = config.weight_decay\n",
    ),
    (
        "src/asgd/tables/columns.py",
        '        "final_test_accuracy_std":',
        '        "best_test_accuracy": "largest final test accuracy of a run, in [0, 1]",\n',
    ),
    (
        "src/asgd/tables/aggregate.py",
        "        rows.append(row)\n    return pd.DataFrame(rows, columns=[*ARMS",
        '        row["best_test_accuracy"] = group["final_test_accuracy"].max()\n',
    ),
]
PARAMS = copy.deepcopy(TINY)
PARAMS["presets"]["tiny"]["run"] |= {"engine": "reference"}
PARAMS["presets"]["tiny"]["experiments"] = {"any": {"num_workers": [1, 2]}, "other": {"weight_decay": [0.0, 0.5]}}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project with all of these, made to the report."""
    made = Project(tmp_path_factory.mktemp("project"), PARAMS)
    for name, text in FILES.items():
        (made.folder / name).write_text(text.lstrip())
    for name, place, addition in LINES:
        text = (made.folder / name).read_text()
        assert text.count(place) == 1, f"{name}: {place}"
        (made.folder / name).write_text(text.replace(place, addition + place))
    done = made.run("snakemake", "--cores", "2", "--config", f"pdf={shutil.which('latexmk') is not None}")
    assert done.returncode == 0, done.stdout
    return made


def read(project: Project, name: str) -> str:
    return (project.folder / "results/tiny" / name).read_text()


def test_a_figure_is_drawn_and_placed_in_the_report(project: Project) -> None:
    assert (project.folder / "results/tiny/figures/accuracies.png").stat().st_size > 1000
    assert r"\resultfigure{accuracies}{The final test accuracy of every arm, in 100 \%.}" in read(
        project, "tables/figures.tex"
    )


@pytest.mark.skipif(shutil.which("pdftotext") is None or shutil.which("latexmk") is None, reason="no TeX or pdftotext")
def test_the_report_shows_figure_and_claim(project: Project) -> None:
    text = " ".join(project.run("pdftotext", "-layout", "results/tiny/report.pdf", "-").stdout.split())
    assert re.search(r"Fig\. \d+\. The final test accuracy of every arm", text)
    assert "all runs train at m = 1" in text


def test_a_claim_is_judged_and_shown(project: Project) -> None:
    verdicts = {one["claim"]: one for one in json.loads(read(project, "claims.json"))["verdicts"]}
    assert verdicts["C10"]["verdict"] == "not reproduced"
    for shown in ("claims.html", "tables/claims.tex"):
        assert "0 of 1 runs trained" in read(project, shown)


def test_an_analysis_is_made_and_its_table_checked(project: Project) -> None:
    table = pd.read_csv(project.folder / "results/tiny/tables/ranking.csv")
    assert sorted(table["num_workers"]) == [1, 2]
    assert list(table["accuracy"]) == sorted(table["accuracy"], reverse=True)
    assert "tables/ranking.csv" in json.loads(read(project, "checksums.json"))["files"]


def test_a_parameter_changes_runs_and_names_their_arms(project: Project) -> None:
    runs = pd.read_csv(project.folder / "results/tiny/tables/runs.csv").set_index("weight_decay")
    assert runs["final_train_loss"][0.5] != runs.loc[runs["num_workers"] == 1, "final_train_loss"][0.0]
    assert "decay = 0.5" in read(project, "tables/accuracy.tex")
    help_text = project.run("env", f"PYTHONPATH={project.folder / 'src'}", "python", "-m", "asgd", "train", "--help")
    assert "--weight-decay FLOAT" in help_text.stdout


def test_a_column_is_computed_and_documented(project: Project) -> None:
    arms = pd.read_csv(project.folder / "results/tiny/tables/arms.csv")
    assert (arms["best_test_accuracy"] >= arms["final_test_accuracy_mean"]).all()
    code = "from asgd.commands.documentation import make_reference; print(make_reference())"
    page = project.run("env", f"PYTHONPATH={project.folder / 'src'}", "python", "-c", code).stdout
    for entry in ("best_test_accuracy", "weight_decay", "C10", "ranking.csv"):
        assert entry in page


def test_nothing_that_was_there_is_renamed(project: Project) -> None:
    """But for what the reference engine computes, whose source was edited."""
    show = ("-m", "asgd", "sources")
    before, after = (
        project.run("env", f"PYTHONPATH={folder / 'src'}", "python", *show).stdout
        for folder in (Path(__file__).parents[1], project.folder)
    )
    families = [dict(re.findall(r"^([\w/]+): (.*)$", text, re.MULTILINE)) for text in (before, after)]
    changed = {name for name in families[0] if families[0][name] != families[1][name]}
    assert changed == {"reference"}


def test_an_edited_caption_reaches_the_report(project: Project) -> None:
    """The figure's own rule does not make the file of captions."""
    assert "build_tables" not in project.planned_jobs()
    figure = project.folder / "src/asgd/figures/accuracies.py"
    before = figure.read_text()
    figure.write_text(before.replace("The final test accuracy", "The last test accuracy"))
    assert "build_tables" in project.planned_jobs()
    figure.write_text(before)
