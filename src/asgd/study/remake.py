"""Checks that make shipped files again, from the tables of runs and from the runs, and compare. Nothing is trained.

Each takes the ``Results`` and returns what was compared with what, faults and warnings: see ``Check``.
"""

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from asgd.analyses.analysis import ROOM
from asgd.analyses.given import Given
from asgd.claims import claims_from_json, claims_to_json, judge_claims
from asgd.claims.metrics import summarize_metrics
from asgd.errors import AsgdError
from asgd.figures.drawing import draw_figure
from asgd.figures.plot import FORMATS, list_plots
from asgd.figures.style import use_style
from asgd.files import read_json
from asgd.members import load_member
from asgd.report import (
    Findings,
    build_report,
    collect_numbers,
    list_generated,
    make_claims_page,
    read_earlier,
    write_tables,
)
from asgd.report.explorer import Shown, make_explorer
from asgd.report.generated import EXPLORER
from asgd.report.readme import BENCHMARK, make_blocks, read_block
from asgd.runs.pool import Pool
from asgd.study.manifest import name_some
from asgd.study.products import (
    REPORT,
    describe_explorer,
    find_earlier,
    list_analysis_files,
    list_read_by_rules,
    select_figures,
)
from asgd.study.shipped import Results, compare_makers
from asgd.study.trained import find_places, list_trained, look_up, read_given
from asgd.tables.aggregate import summarize_runs, tabulate_runs
from asgd.tables.differences import TOLERANCE, compare_tables, compare_texts, compare_values
from asgd.tables.environment import describe_records

#: Tables of runs are exactly what the runs give, but for this sum of many terms, whose order is not fixed.
_RUN_TOLERANCES = {"staleness_displacement": TOLERANCE}
_TIMES = ("wall_seconds", "steps_per_second")


@dataclass(frozen=True)
class Check:
    """What was compared, and what does not match."""

    name: str
    note: str  #: with what it was compared, or why it was not
    faults: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    skipped: bool = False  #: there was nothing to compare
    error: str = ""  #: the traceback of a fault in the check itself: nothing is known of the files


def check_summaries(results: Results) -> Check:
    """arms.csv, curves.csv and dvc_curves.csv are what runs.csv and evaluations.csv give, and those two agree."""
    runs, evaluations = results.table("runs"), results.table("evaluations")
    tables = summarize_runs(runs, evaluations)
    faults = [_compare_table(results, name, table) for name, table in tables.items()]
    if unequal := _list_other_ends(runs, evaluations):
        named = results.name_tables("evaluations")
        faults.insert(0, f"{results.table_file('runs')}: ends otherwise than {named}: {name_some(unequal)}")
    note = f"{results.name_tables(*tables)} against {results.name_tables('runs', 'evaluations')}"
    return Check("summaries", note, tuple(filter(None, faults)))


def _list_other_ends(runs: pd.DataFrame, evaluations: pd.DataFrame) -> list[str]:
    """The runs whose final results are not those of their last evaluation."""
    finals = ["test_accuracy", "test_loss", "train_loss"]
    place = "gradients" if "gradients" in evaluations else "step"
    ends = evaluations.sort_values(place, kind="stable").groupby("run")[[place, *finals]].tail(1)
    ends = ends.set_index(evaluations.loc[ends.index, "run"]).reindex(runs["run"])
    recorded = runs[["total_steps", *(f"final_{name}" for name in finals)]].to_numpy(dtype=float)
    same = np.isclose(ends.to_numpy(dtype=float), recorded, rtol=TOLERANCE, atol=0, equal_nan=True).all(axis=1)
    return [str(run) for run in runs["run"][~same]]


def check_claims(results: Results) -> Check:
    """claims.json, claims.html and metrics.json are what the tables give by the rules and margins of now."""
    params = results.study.params
    runs, evaluations = results.table("runs"), results.table("evaluations")
    read = {name: results.table(name) for name in list_read_by_rules(results.study)}
    verdicts = judge_claims(runs, evaluations, params.claims, params.base, tables=read)
    shipped, judged = results.json("claims.json"), claims_to_json(verdicts)
    claims_from_json(shipped, str(results.folder / "claims.json"))
    earlier = read_earlier(find_earlier(results.study, results.folder.parent))
    page = compare_texts(results.text("claims.html"), make_claims_page(verdicts, results.root / "report", earlier))
    metrics = compare_values(results.json("metrics.json"), summarize_metrics(runs, verdicts.verdicts, params.base))
    faults = [f"claims.json: {text}" for text in compare_values(_by_id(shipped), _by_id(judged))]
    faults += [f"claims.html: {page}"] if page else []
    faults += [f"metrics.json: {text}" for text in metrics]
    note = f"{len(verdicts.verdicts)} verdicts by the {params.claims.edition} edition against the tables and margins"
    return Check("claims", note, tuple(faults))


def _by_id(claims: Mapping[str, Any]) -> dict[str, Any]:
    entries = {f"{entry['claim']}-{entry['variant']}".removesuffix("-"): entry for entry in claims["verdicts"]}
    return {"margins": claims["margins"], **entries}


def check_analysis(results: Results, analysis: str) -> Check:
    """The tables and the summary of an analysis that trains nothing are what the tables of runs give."""
    declared = results.study.analyses[analysis].analysis
    faults = _compare_analysis(results, read_given(results, analysis))
    note = f"{', '.join(declared.files.values())} against {results.name_tables(*declared.reads) or 'the settings'}"
    return Check(analysis, note, tuple(faults))


def check_trained(results: Results, analysis: str, store: Path) -> Check:
    """Those of one that trains are what its runs give: the packed ones, and those in ``store``, where all are there."""
    declared, faults, against = results.study.analyses[analysis].analysis, list[str](), list[str]()
    with Pool(store) as pool:
        for where, runs in find_places(results, analysis, pool).items():
            given, names = look_up(results, analysis, runs)
            if names != sorted(results.trained[analysis]):
                faults.append(f"tables/study.json: names other runs than the analysis asks for by those of {where}")
            else:
                faults += _compare_analysis(results, given)
            against.append(f"{len(names):,} runs of {where}")
    if not against:
        return Check(analysis, "needs the runs that it trains", skipped=True)
    read = [*map(results.name_tables, declared.reads), *against]
    return Check(analysis, f"{', '.join(declared.files.values())} against {', '.join(read)}", tuple(faults))


def _compare_analysis(results: Results, given: Given) -> list[str]:
    summary_file = results.study.analyses[given.name].analysis.summary
    tables, summary = load_member(ROOM, given.name).tabulate(given)
    faults = list(filter(None, (_compare_table(results, name, table) for name, table in tables.items())))
    if summary_file:
        shipped = results.json(f"tables/{summary_file}.json")
        faults += [f"tables/{summary_file}.json: {text}" for text in compare_values(shipped, summary)]
    return faults


def check_numbers(results: Results) -> Check:
    """The report's numbers and tables are what the tables, verdicts and summaries give."""
    study = results.study
    analyses = list_analysis_files(study.analyses)
    summaries = [results.path(f"tables/{name}") for name in analyses if name.endswith("_summary.json")]
    sharpness = results.path("tables/sharpness.csv") if "sharpness.csv" in analyses else None
    benchmark = results.folder.parent / BENCHMARK
    earlier = find_earlier(study, results.folder.parent)
    findings = Findings.read(summaries, sharpness, benchmark if benchmark.exists() else None, earlier)
    verdicts = claims_from_json(results.json("claims.json"), str(results.folder / "claims.json"))
    tables = results.table("runs"), results.table("arms")
    environment, report = results.json("tables/environment.json"), results.root / "report"
    generated = list_generated(report)
    with tempfile.TemporaryDirectory() as folder:
        numbers = collect_numbers(study.params, *tables, verdicts, environment, list(select_figures(study)), findings)
        write_tables(folder, report, numbers)
        made = {name: Path(folder, name).read_text(encoding="utf-8") for name in generated}
    faults = [(name, compare_texts(results.text(f"tables/{name}"), text)) for name, text in made.items()]
    texts = tuple(f"tables/{name}: {fault}" for name, fault in faults if fault)
    return Check("numbers", f"{', '.join(generated)} against tables and verdicts", texts)


def check_figures(results: Results) -> Check:
    """The figures, drawn again, have the bytes that are shipped."""
    from matplotlib import rc_context

    names = select_figures(results.study)
    style = results.root / "report/asgd.mplstyle"
    with tempfile.TemporaryDirectory() as folder, rc_context():
        use_style(style)
        other = [file for figure in names.items() for file in _draw_and_compare(results, *figure, Path(folder))]
    count = len(names) * len(FORMATS)
    note = f"{count - len(other)} of {count} drawn again, with the same bytes"
    return _judge_bytes("figures", note, other, compare_makers(results.checksums.made_with, "figures"))


def _draw_and_compare(results: Results, name: str, experiment: str | None, folder: Path) -> Iterator[str]:
    tables = {table: results.table(table) for table in list_plots()[name].tables}
    draw_figure(name, tables, experiment, folder / name)
    for suffix in FORMATS:
        file = f"figures/{name}.{suffix}"
        if not _has_bytes(results.path(file), folder / f"{name}.{suffix}"):
            yield file


def check_explorer(results: Results) -> Check:
    """explorer.html, made again from tables, verdicts and figures, has the bytes that are shipped."""
    if find_spec("vl_convert") is None:
        note = f"{EXPLORER} needs vl-convert-python to be made again, and is compared with its checksum only"
        return Check("explorer", note, skipped=True)
    about = describe_explorer(results.study)
    tables = {name: results.table(name) for name in ("runs", "arms", "evaluations")}
    verdicts = claims_from_json(results.json("claims.json"), str(results.folder / "claims.json"))
    images = {name: results.path(f"figures/{name}.png") for name in about["captions"]}
    figures = {name: Shown(about["captions"][name], path.read_bytes()) for name, path in images.items()}
    page = make_explorer(about["study"], tables, verdicts, figures, results.root / "report")
    same = results.path(EXPLORER).exists() and results.path(EXPLORER).read_bytes() == page.encode()
    note = f"{EXPLORER} made again{', with the same bytes' if same else ''}"
    makers = compare_makers(results.checksums.made_with, "explorer")
    return _judge_bytes("explorer", note, [] if same else [EXPLORER], makers)


def check_report(results: Results) -> Check:
    """report.pdf, compiled again from its source, generated tables and figures, has the bytes that are shipped."""
    if not (results.folder / REPORT).exists():
        return Check("report", "none is here", skipped=True)
    if shutil.which("latexmk") is None:
        return Check(
            "report", f"{REPORT} needs TeX to be compiled again, and is compared with its checksum only", skipped=True
        )
    figures = select_figures(results.study)
    report = results.root / "report"
    generated = [*(f"tables/{name}" for name in list_generated(report)), *(f"figures/{name}.pdf" for name in figures)]
    with tempfile.TemporaryDirectory() as folder:
        build_report(report, [results.path(name) for name in generated], Path(folder, REPORT))
        same = _has_bytes(results.path(REPORT), Path(folder, REPORT))
    note = f"{REPORT} compiled again{', with the same bytes' if same else ''}"
    return _judge_bytes("report", note, [] if same else [REPORT], compare_makers(results.checksums.made_with, "report"))


def _judge_bytes(name: str, note: str, other: Sequence[str], makers: Sequence[str]) -> Check:
    """Other bytes are a fault if they were made with what is here; if not, only the checksums tell."""
    if not other:
        return Check(name, note)
    if makers:
        why = f"other bytes here, where {', '.join(makers)}: compared with their checksums only"
        return Check(name, note, warnings=(f"{name_some(other)}: {why}",))
    return Check(name, note, tuple(f"{file}: not what the tables give" for file in other))


def _has_bytes(shipped: Path, made: Path) -> bool:
    return shipped.exists() and shipped.read_bytes() == made.read_bytes()


def check_readme(results: Results) -> Check:
    """The README shows the verdicts, findings and costs of its studies, and the benchmark's speeds.

    The benchmark is a measurement: whether it is the one that was made cannot be checked, only that it is consistent.
    """
    readme, folder = results.root / "README.md", results.folder.parent
    faults = [f"{BENCHMARK}: {text}" for text in _list_disagreements(read_json(folder / BENCHMARK))]
    for name in ("claims.json", "tables/environment.json", results.table_file("runs")):
        results.path(name)
    for name, content in make_blocks(results.study.params, folder, results.root).items():
        if difference := compare_texts(read_block(readme, name), content):
            faults.append(f"README.md: {name}: {difference}; run: make readme")
    return Check("README", f"verdicts, costs and speeds against {results.folder.name} and {BENCHMARK}", tuple(faults))


def _list_disagreements(benchmark: Any) -> list[str]:
    """The speeds of the benchmark that do not follow from its times. Raises AsgdError if it is something else."""
    try:
        rows = benchmark["steps"]
        wrong = [row for row in rows if not np.isclose(row["steps_per_second"] * row["microseconds"], 1e6)]
        return [f"{row['engine']} at m = {row['num_workers']}: speed and time do not agree" for row in wrong]
    except (KeyError, TypeError) as error:
        raise AsgdError(f"{BENCHMARK}: not a file of `asgd bench` ({error!r}); measure again") from error


def check_packed(results: Results) -> Check:
    """The packed runs are those of the study and its analyses, whole and unedited, and the tables are what they give.

    Those of the analyses may be absent.
    """
    name, packed, wanted = results.shipped.runs, results.packed, _list_in_order(results)
    lacking = set(wanted) - packed.runs.keys()
    strange = packed.runs.keys() - set(wanted).union(list_trained(results))
    faults = [
        f"{name}: {what}: {name_some(sorted(names))}"
        for what, names in (("lacks runs", lacking), ("has other runs", strange))
        if names
    ]
    if not faults:
        runs = [packed.read_whole(run)[:2] for run in wanted]
        tables = tabulate_runs(runs, results.members)
        faults = _compare_with_runs(results, tables, drop=())
        environment = compare_values(
            results.json("tables/environment.json"), describe_records([run for run, _ in runs])
        )
        faults += [f"tables/environment.json: {text}" for text in environment]
    compared = results.name_tables("runs", "evaluations")
    note = f"{compared}, environment.json against {len(wanted):,} runs of {name}"
    return Check("packed runs", note, tuple(faults))


def check_runs(results: Results, store: Path) -> Check:
    """Of the runs that are here, each is whole, unedited, and in the folder that its configuration gives."""
    names = results.runs
    with Pool(store) as pool:
        present = [name for name in names if pool.has_any(name)]
        faults = [fault for name in present for fault in _find_run_faults(pool, name)]
    note = f"{len(present):,} of {len(names):,} runs are in {store}"
    return Check("runs", note, tuple(faults), skipped=not present)


def _find_run_faults(pool: Pool, run: str) -> list[str]:
    try:
        tabulate_runs([pool.read(run)], {})
    except AsgdError as error:
        return [str(error)]
    return []


def check_aggregation(results: Results, store: Path) -> Check:
    """The tables are those of the runs; needs all of them."""
    names = _list_in_order(results)
    with Pool(store) as pool:
        if not names or not all(map(pool.has_any, names)):
            return Check("tables of runs", "needs all runs", skipped=True)
        tables = tabulate_runs((pool.read(run) for run in names), results.members)
    # A run that was trained again took another time.
    faults = _compare_with_runs(results, tables, drop=_TIMES)
    note = f"{results.name_tables('runs', 'evaluations')} against {len(names):,} runs"
    return Check("tables of runs", note, tuple(faults))


def _list_in_order(results: Results) -> list[str]:
    """The names of all runs in the order of the tables: where these are Parquet the runs of an arm stand together."""
    if results.study.params.selected.table_format == "csv":
        return results.runs
    runs = results.table("runs")
    of = dict(zip(runs["run"], runs["arm"], strict=True))
    arms: dict[str, list[str]] = {}
    for name in results.runs:
        arms.setdefault(of.get(name, ""), []).append(name)
    return [name for names in arms.values() for name in names]


def _compare_with_runs(results: Results, tables: tuple[pd.DataFrame, pd.DataFrame], drop: Sequence[str]) -> list[str]:
    faults = []
    for name, table in zip(("runs", "evaluations"), tables, strict=True):
        shipped, made = (frame.drop(columns=list(drop), errors="ignore") for frame in (results.table(name), table))
        if difference := compare_tables(shipped, made, _RUN_TOLERANCES):
            faults.append(f"{results.table_file(name)}: not what the runs give: {difference}")
    return faults


def _compare_table(results: Results, name: str, computed: pd.DataFrame) -> str:
    difference = compare_tables(results.table(name), computed)
    return f"{results.table_file(name)}: {difference}" if difference else ""
