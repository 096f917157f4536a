"""The explorer: what its page says of a study, and what it does in a real browser, without a network."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from playwright.sync_api import Page, expect

from asgd.claims import Verdict, Verdicts
from asgd.claims.claim import find_claims
from asgd.errors import AsgdError
from asgd.figures.plot import list_plots
from asgd.report import explorer
from asgd.report.explorer import Shown, describe_study, make_explorer
from asgd.settings.claims import ClaimsConfig
from asgd.settings.run import RunConfig
from asgd.tables.aggregate import summarize_arms
from asgd.tables.files import format_table, read_table
from tests.browser import Opened, needs_browser, open_page
from tests.study_tables import make_study, map_configs

PROJECT = Path(__file__).parents[2]
#: A figure of one pixel.
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)
ABOUT = {"preset": "tiny", "description": "a study <of tests>"}
VERDICTS = Verdicts(margins=ClaimsConfig(), verdicts=[Verdict(claim="C3", verdict="not applicable")])


def end(config: RunConfig) -> tuple[float, str]:
    """At rate 0.05 all runs of m = 100 die, and at m = 10 that of seed 1."""
    dies = config.learning_rate > 0.02 and config.num_workers + 90 * config.seed >= 100
    return (0.1, "dead") if dies else (0.6 - 0.002 * config.num_workers, "trained")


def tabulate(runs: pd.DataFrame, evaluations: pd.DataFrame, folder: Path) -> dict[str, pd.DataFrame]:
    """The tables as they are read back from their files."""
    tables = {"runs": runs, "arms": summarize_arms(runs), "evaluations": evaluations}
    for name, table in tables.items():
        (folder / f"{name}.csv").write_text(format_table(table), encoding="utf-8")
    return {name: read_table(folder / f"{name}.csv") for name in tables}


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    study = make_study(map_configs([0.01, 0.05], [1, 10, 100], seeds=2), "map", end)
    return tabulate(*study, tmp_path_factory.mktemp("mapped"))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    """A study without a map, with keys that came later."""
    further: list[dict[str, Any]] = [
        {},
        {"schedule": "latency", "latency_cv": 0.5},
        {"schedule": "latency", "latency": "pareto"},
        {"schedule": "latency", "policy": "discard", "max_staleness": 8},
        {"update": "gap_aware"},
    ]
    configs = [RunConfig(num_workers=10, epochs=3, seed=seed, **keys) for keys in further for seed in (0, 1)]
    return tabulate(*make_study(configs, "later", end), tmp_path_factory.mktemp("small"))


def make_page(tables: dict[str, pd.DataFrame]) -> str:
    pytest.importorskip("vl_convert", reason="skipped: no vl-convert")
    figures = {"outcomes": Shown("How the seeds ended.", PIXEL)}
    return make_explorer(ABOUT, tables, VERDICTS, figures, PROJECT / "report")


def describe(tables: dict[str, pd.DataFrame]) -> dict[str, Any]:
    return describe_study(tables["runs"], tables["arms"], tables["evaluations"])


def test_the_page_has_every_run_with_its_curve(mapped: dict[str, pd.DataFrame]) -> None:
    study = describe(mapped)
    accuracy = [metric["key"] for metric in study["metrics"]].index("test_accuracy")
    workers, rate = ([facet["key"] for facet in study["facets"]].index(key) for key in ("num_workers", "learning_rate"))
    found = {}
    for arm in study["arms"]:
        about = [facet["labels"][place] for facet, place in zip(study["facets"], arm["at"], strict=True)]
        for run in arm["runs"]:
            key = about[workers], about[rate], about[-1], run["s"]
            epochs, gradients, time = study["places"][run["x"]]
            found[key] = (study["outcomes"][run["o"]], run["v"][accuracy], epochs, gradients, time)
    assert len(found) == len(mapped["runs"])
    outcome, curve, epochs, gradients, time = found["m = 10", "rate = 0.05", "server EMA", 1]
    table = mapped["evaluations"]
    rows = table[table["run"].str.startswith("m10-b0.9-server-ema-lr0.05-seed1")]
    assert outcome == "dead"
    assert curve == pytest.approx(rows["test_accuracy"].tolist(), rel=1e-3)
    assert epochs == rows["epoch"].tolist()
    assert gradients == rows["step"].tolist()
    assert time == pytest.approx((rows["step"] / 10).tolist())


def test_keys_that_belong_to_a_choice_are_one_choice(small: dict[str, pd.DataFrame]) -> None:
    facets = {facet["key"]: facet["labels"] for facet in describe(small)["facets"]}
    assert facets == {
        "num_workers": ["m = 10"],
        "learning_rate": ["rate = 0.01"],
        "schedule": [
            "round robin",
            "random times, gamma, cv = 0.5",
            "random times, gamma, cv = 1",
            "random times, Pareto",
        ],
        "policy": ["every gradient", "discard, max staleness = 8"],
        "update": ["SGD", "gap-aware"],
    }


def test_arms_older_than_a_parameter_have_what_it_meant(small: dict[str, pd.DataFrame]) -> None:
    older = small["arms"].copy()
    older.loc[older["update"] == "sgd", "update"] = None
    assert describe({**small, "arms": older}) == describe(small)


def test_only_an_experiment_with_several_rates_and_m_has_a_map(
    mapped: dict[str, pd.DataFrame], small: dict[str, pd.DataFrame]
) -> None:
    assert describe(mapped)["map"] == 0
    assert describe(small)["map"] == -1
    one_rate = mapped["arms"][mapped["arms"]["learning_rate"] == 0.01]
    assert explorer.find_map(one_rate) == -1


def test_curves_that_are_too_many_are_thinned_to_their_ends_and_the_page_says_so(
    mapped: dict[str, pd.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    values = len(mapped["evaluations"]) * len(describe(mapped)["metrics"])
    monkeypatch.setattr(explorer, "MOST_VALUES", values / 4)
    study = describe(mapped)
    assert study["stride"] == 4
    assert study["places"][0][0] == [0, 1, 2, 3]
    monkeypatch.setattr(explorer, "MOST_VALUES", values / 5)
    assert describe(mapped)["places"][0][0] == [0, 1.25, 2.5, 3]
    assert "the curves show one evaluation in 5, and the last" in make_page(mapped)


def test_a_run_without_evaluations_is_an_error(mapped: dict[str, pd.DataFrame]) -> None:
    gone = mapped["runs"]["run"].iloc[3]
    fewer = mapped["evaluations"][mapped["evaluations"]["run"] != gone]
    with pytest.raises(AsgdError, match=re.escape(f"table evaluations: has no rows of {gone}; make the tables again")):
        describe({**mapped, "evaluations": fewer})


def test_numbers_that_are_not_finite_are_no_points(mapped: dict[str, pd.DataFrame]) -> None:
    table = mapped["evaluations"].copy()
    table.loc[table["epoch"] == 3, "test_loss"] = float("inf")
    study = describe({**mapped, "evaluations": table})
    loss = [metric["key"] for metric in study["metrics"]].index("test_loss")
    assert {run["v"][loss][-1] for arm in study["arms"] for run in arm["runs"]} == {None}
    json.dumps(study, allow_nan=False)


def test_the_page_is_the_same_each_time_and_escapes_what_it_shows(mapped: dict[str, pd.DataFrame]) -> None:
    page = make_page(mapped)
    assert page == make_page(mapped)
    assert "A study &lt;of tests&gt;." in page
    assert '<a href="#figure-outcomes" aria-label="Figure that decides C3: outcomes">' in page
    assert len(re.findall("</script", page)) == 3  # of its data, of Vega and of its own


def test_every_figure_that_a_claim_names_is_one() -> None:
    for edition in ("first", "second"):
        named = {claim.figure for claim in find_claims(edition).values()} - {""}
        assert named <= set(list_plots())


@pytest.fixture
def map_page(mapped: dict[str, pd.DataFrame], tmp_path: Path) -> Iterator[Opened]:
    with open_written(mapped, tmp_path) as opened:
        yield opened
        assert (opened.requests, opened.errors) == ([], [])


def open_written(tables: dict[str, pd.DataFrame], folder: Path, width: int = 1400) -> Any:
    path = folder / "explorer.html"
    path.write_text(make_page(tables), encoding="utf-8")
    return open_page(path, width)


def cell(page: Page, workers: int, rate: float) -> Any:
    return page.get_by_role("button", name=re.compile(rf"^m = {workers}, rate = {rate}, "))


def drawn_runs(page: Page) -> int:
    """The thin lines, after the chart is drawn."""
    page.wait_for_selector("#chart svg")
    page.wait_for_timeout(300)
    return page.locator("#chart g.layer_0_marks path").count()


@needs_browser
def test_a_cell_that_is_clicked_shows_its_runs(map_page: Opened) -> None:
    page = map_page.page
    chosen = page.get_by_label("Settings shown")
    cell(page, 10, 0.05).click()
    expect(chosen).to_have_text("m = 10, rate = 0.05, no momentum: 1 trained, 1 dead")
    expect(cell(page, 10, 0.05)).to_have_attribute("aria-pressed", "true")
    assert drawn_runs(page) == 2
    before = page.locator("#chart svg").inner_html()
    cell(page, 100, 0.01).click()
    expect(chosen).to_have_text("m = 100, rate = 0.01, no momentum: 2 trained")
    expect(cell(page, 10, 0.05)).to_have_attribute("aria-pressed", "false")
    assert drawn_runs(page) == 2
    assert page.locator("#chart svg").inner_html() != before
    page.get_by_label("Compare").check()
    cell(page, 1, 0.01).click()
    expect(chosen.get_by_role("listitem")).to_have_count(2)
    assert drawn_runs(page) == 4
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#chart-caption")).to_contain_text("Nothing is shown")
    expect(page.locator("#chart svg")).to_have_count(0)


@needs_browser
def test_choosing_filters_and_the_curves_follow(map_page: Opened) -> None:
    page = map_page.page
    cells = page.get_by_role("grid").get_by_role("button")
    expect(cells).to_have_count(6)
    cell(page, 100, 0.01).click()
    page.get_by_role("combobox", name="Momentum").select_option("worker EMA")
    expect(page.get_by_label("Settings shown")).to_have_text("m = 100, rate = 0.01, worker EMA: 2 trained")
    page.get_by_role("combobox", name="Learning rate").select_option("0.05")
    expect(cells).to_have_count(3)
    expect(page.get_by_role("status")).to_have_text("3 settings fit; 1 shown.")
    page.get_by_role("combobox", name="Workers m").select_option("10")
    expect(page.get_by_label("Settings shown")).to_have_text("m = 10, rate = 0.05, worker EMA: 1 trained, 1 dead")
    page.get_by_role("combobox", name="Curve").select_option("test loss, nats")
    expect(page.locator("#chart-caption")).to_contain_text("Test loss, nats over epochs")


@needs_browser
def test_the_map_tells_seeds_and_outcomes_and_is_walked_with_the_keyboard(map_page: Opened) -> None:
    page = map_page.page
    tip = page.get_by_role("tooltip")
    cell(page, 10, 0.05).hover()
    expect(tip).to_contain_text("2 seeds: 1 trained, 1 dead")
    expect(tip).to_contain_text("dead: seed 1")
    page.mouse.move(0, 0)
    expect(tip).to_be_hidden()
    cell(page, 1, 0.05).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    expect(cell(page, 10, 0.01)).to_be_focused()
    expect(tip).to_contain_text("2 seeds: 2 trained")
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    expect(cell(page, 100, 0.01)).to_be_focused()
    expect(page.get_by_label("Settings shown")).to_have_text("m = 100, rate = 0.01, no momentum: 2 trained")
    assert page.locator('.cell[tabindex="0"]').count() == 1
    page.get_by_text("The runs as a table").click()
    row = page.get_by_role("table", name="Runs that are shown").get_by_role("row").nth(2)
    expect(row).to_contain_text("m = 100, rate = 0.01, no momentum1trained")


@needs_browser
def test_a_curve_tells_its_seed_and_outcome(map_page: Opened) -> None:
    page = map_page.page
    cell(page, 10, 0.05).click()
    assert drawn_runs(page) == 2
    line = page.locator("#chart g.layer_2_marks path").nth(1)  # as wide as a pointer needs
    x, y = line.evaluate(
        """line => {
            const [point, place] = [line.getPointAtLength(line.getTotalLength() - 20), line.getScreenCTM()];
            return [point.x * place.a + place.e, point.y * place.d + place.f];
        }"""
    )
    for step in (0, 1):
        page.mouse.move(x + step, y)
        page.wait_for_timeout(200)
    told = page.get_by_role("tooltip")
    expect(told).to_have_text("m = 10, rate = 0.05, no momentum seed 1: dead final test accuracy 10.0 %")


@needs_browser
def test_a_claim_leads_to_its_figure(map_page: Opened) -> None:
    page = map_page.page
    page.get_by_role("link", name="Figure that decides C3").click()
    expect(page.get_by_role("img", name="How the seeds ended.")).to_be_in_viewport()


@needs_browser
def test_a_study_without_a_map_has_a_table_to_choose_from_on_a_narrow_screen(
    small: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    with open_written(small, tmp_path, width=390) as opened:
        page = opened.page
        expect(page.get_by_role("grid")).to_have_count(0)
        buttons = page.locator("#list").get_by_role("button")
        expect(buttons).to_have_count(5)
        buttons.nth(3).click()
        expect(buttons.nth(3)).to_have_attribute("aria-pressed", "true")
        page.get_by_role("combobox", name="Schedule").select_option("random times, Pareto")
        expect(buttons).to_have_text(["random times, Pareto, every gradient, SGD"])
        expect(page.get_by_label("Settings shown")).to_contain_text("random times, Pareto")
        assert drawn_runs(page) == 2
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert (opened.requests, opened.errors) == ([], [])


@needs_browser
def test_an_experiment_shows_the_runs_that_it_asks_for(small: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    """Seed 1 of the first arm is another experiment's alone."""
    runs = small["runs"].copy()
    first = runs["arm"] == runs["arm"].iloc[0]
    runs.loc[first, "experiments"] = ["later;more" if seed == 0 else "more" for seed in runs.loc[first, "seed"]]
    tables = {**small, "runs": runs, "arms": summarize_arms(runs)}
    marked = [run["e"] for arm in describe(tables)["arms"] for run in arm["runs"] if "e" in run]
    assert marked == [[1]]
    with open_written(tables, tmp_path) as opened:
        page = opened.page
        seeds = page.locator("#list tbody tr td:nth-child(2)")
        page.get_by_role("combobox", name="Experiment").select_option("later")
        expect(seeds).to_have_text(["1", "2", "2", "2", "2"])
        page.get_by_role("combobox", name="Experiment").select_option("more")
        expect(seeds).to_have_text(["2"])
        assert opened.errors == []
