"""docs/how-to/extend.md: its files, written into a copy of the project, are there in all that the study makes."""

import ast
import json
import re
import shutil
from importlib import import_module
from pathlib import Path

import pandas as pd
import pytest

from tests.documentation import SHOWN, list_blocks, list_examples
from tests.pipeline import ROOT, Project

PAGE = ROOT / "docs/how-to/extend.md"
SOURCES = ROOT / "src"


class Extended(Project):
    """The project with all of these."""

    printed = ""  #: by the page's commands


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Extended:
    """Made by the page's own commands."""
    made = Extended(tmp_path_factory.mktemp("project"), {})
    for example in list_examples(PAGE):
        example.write(made.folder)
    if shutil.which("latexmk") is None:
        profile = made.folder / "profiles/default/config.yaml"
        profile.write_text(profile.read_text() + "\nconfig: [pdf=False]\n")
    made.printed = "".join(run(made, "bash", "-euo", "pipefail", "-c", one) for one in list_blocks(PAGE, "sh"))
    return made


def run(project: Project, *command: str) -> str:
    """What a command in the project prints, with the package that lies there."""
    done = project.run("env", f"PYTHONPATH={project.folder / 'src'}", *command)
    assert done.returncode == 0, done.stdout
    return done.stdout


def read(project: Project, name: str) -> str:
    return (project.folder / "results/mine" / name).read_text()


def read_runs(project: Extended) -> pd.DataFrame:
    return pd.read_csv(project.folder / "results/mine/tables/runs.csv")


def test_the_page_has_an_example_of_every_registry() -> None:
    rooms = set()
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "find_members":
                module = import_module(".".join(path.relative_to(SOURCES).with_suffix("").parts))
                rooms.add(eval(ast.unparse(node.args[0]), vars(module)))
    shown = {str(Path(example.path).parent).removeprefix("src/").replace("/", ".") for example in list_examples(PAGE)}
    assert rooms - shown == {"asgd.claims.second"}  # an edition like the first


@pytest.mark.parametrize(
    ("key", "value"),
    [("schedule", "shuttle"), ("policy", "skip_first"), ("update", "root_scaled"), ("network", "linear")],
)
def test_a_part_of_the_simulator_runs_by_its_name(project: Project, key: str, value: str) -> None:
    (found,) = read_runs(project).query(f"{key} == '{value}'").to_dict("records")
    record = json.loads((project.folder / "results/runs" / found["run"] / "run.json").read_text())
    assert record["config"][key] == value
    assert f"-{value}-" in found["run"]


def test_the_schedule_turns_round(project: Extended) -> None:
    """With two workers: 0 1 1 0 0 1 1 ... The second to be heard is one step late, and each second one after it two."""
    (found,) = read_runs(project).query("schedule == 'shuttle'").to_dict("records")
    record = json.loads((project.folder / "results/runs" / found["run"] / "run.json").read_text())
    assert record["staleness"]["histogram"] == {"0": 10, "1": 1, "2": 9}


def test_the_policy_throws_the_first_gradients_away(project: Extended) -> None:
    (found,) = read_runs(project).query("policy == 'skip_first'").to_dict("records")
    assert found["total_steps"] - found["last_step"] == 2


def test_a_file_outside_the_package_runs_too(project: Extended) -> None:
    assert list(project.folder.glob("results/runs/*-shuttle-mine-*/run.json"))


def test_a_probe_is_measured(project: Extended) -> None:
    (folder,) = project.folder.glob("results/runs/*-probed-*")
    probes = pd.read_csv(folder / "probes.csv")
    assert list(probes["step"]) == [0, 5, 10, 15, 20]
    assert probes["weight_norm"].is_unique
    assert (probes["weight_norm"] > 1).all()


def test_a_table_is_made_and_checked(project: Extended) -> None:
    table = pd.read_csv(project.folder / "results/mine/tables/ranking.csv")
    assert sorted(table["num_workers"]) == [1, 2]
    assert list(table["accuracy"]) == sorted(table["accuracy"], reverse=True)
    assert "tables/ranking.csv" in json.loads(read(project, "checksums.json"))["files"]


def test_an_analysis_trains_runs_as_long_as_params_yaml_says(project: Extended) -> None:
    table = pd.read_csv(project.folder / "results/mine/tables/longer.csv").set_index("num_workers")
    assert dict(table["epochs"]) == {1: 6.0, 2: 6.0}
    assert table["accuracy"].between(0, 1).all()


def test_a_figure_is_drawn_and_placed_in_the_report(project: Extended) -> None:
    assert (project.folder / "results/mine/figures/accuracies.png").stat().st_size > 1000
    shown = r"\resultfigure{accuracies}{The final test accuracy in \% for each $m$, at the study's length"
    assert shown in read(project, "tables/figures.tex")


def test_a_claim_is_judged_and_shown(project: Extended) -> None:
    verdicts = {one["claim"]: one for one in json.loads(read(project, "claims.json"))["verdicts"]}
    assert verdicts["C10"]["verdict"] == "not reproduced"
    for shown in ("claims.html", "tables/rules.tex"):
        assert "0 of 1 runs trained" in read(project, shown)


@pytest.mark.skipif(shutil.which("pdftotext") is None or shutil.which("latexmk") is None, reason="no TeX or pdftotext")
def test_the_report_shows_figure_claim_and_part(project: Extended) -> None:
    text = " ".join(project.run("pdftotext", "-layout", "results/mine/report.pdf", "-").stdout.split())
    assert re.search(r"Fig\. \d+\. The final test accuracy in % for each m", text)
    assert "all runs train at m = 1" in text
    assert f"The study has {len(read_runs(project))} runs with 1 seeds." in text


def test_a_command_runs(project: Extended) -> None:
    arms = pd.read_csv(project.folder / "results/mine/tables/arms.csv")
    assert f"{100 * arms['final_test_accuracy_mean'].max():.1f} % in the mean of 1 runs" in project.printed


def test_a_parameter_changes_runs_and_names_their_arms(project: Extended) -> None:
    runs = read_runs(project).query("num_workers == 2").set_index("weight_decay")
    assert runs["engine"][0.5] == "reference"
    plain = runs.loc[0.0].query("schedule == 'round_robin' and policy == 'every' and update == 'sgd'")
    assert runs["final_train_loss"][0.5] not in set(plain["final_train_loss"])
    assert "decay = 0.5" in read(project, "tables/accuracy.tex")
    assert "--weight-decay NUMBER" in run(project, "python", "-m", "asgd", "train", "--help")


def test_a_column_is_computed(project: Extended) -> None:
    arms = pd.read_csv(project.folder / "results/mine/tables/arms.csv")
    assert (arms["best_test_accuracy"] >= arms["final_test_accuracy_mean"]).all()


def test_the_generated_pages_have_all_of_them(project: Extended) -> None:
    code = "from asgd.commands.documentation import make_pages; print(*make_pages().values())"
    pages = run(project, "python", "-c", code)
    for entry in ("best_test_accuracy", "weight_decay", "### C10", "ranking.csv", "accuracies", "weight_norm"):
        assert entry in pages
    for entry in ("`shuttle`", "`skip_first`", "`root_scaled`", "`linear`", "### asgd best", "longer.csv"):
        assert entry in pages


def test_nothing_that_was_there_is_renamed(project: Extended) -> None:
    """But for what the reference engine computes, whose source was edited."""
    show = ("-m", "asgd", "sources")
    before, after = (
        project.run("env", f"PYTHONPATH={folder / 'src'}", "python", *show).stdout for folder in (ROOT, project.folder)
    )
    families = [dict(re.findall(r"^([\w/]+): (.*)$", text, re.MULTILINE)) for text in (before, after)]
    changed = {name for name in families[0] if families[0][name] != families[1][name]}
    assert changed == {"reference"}


def test_the_gallerys_command_draws_a_figure(project: Extended) -> None:
    command = re.search(r"^snakemake .*?\.png$", (ROOT / "docs/gallery.md").read_text(), re.MULTILINE | re.DOTALL)
    assert command
    figure = project.folder / "results/mine/figures/accuracies.png"
    figure.unlink()
    name = Path(command[0].split()[-1]).stem
    run(project, "bash", "-c", command[0].replace(SHOWN, "mine").replace(name, "accuracies"))
    assert figure.stat().st_size > 1000


def test_an_edited_caption_reaches_the_report(project: Extended) -> None:
    """The figure's own rule does not make the file of captions."""
    assert "build_tables" not in project.planned_jobs()
    figure = project.folder / "src/asgd/figures/accuracies.py"
    before = figure.read_text()
    figure.write_text(before.replace("The final test accuracy", "The last test accuracy"))
    assert "build_tables" in project.planned_jobs()
    figure.write_text(before)
