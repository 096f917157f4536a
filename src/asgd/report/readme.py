"""The README's generated parts, kept in step with the results that they show."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from asgd.claims import Verdicts, claims_from_json
from asgd.claims.wording import format_setting, tabulate_verdicts
from asgd.errors import AsgdError
from asgd.files import read_json, write_text
from asgd.report.findings import FUSED, Findings, estimate_cost
from asgd.report.generated import list_blocks
from asgd.report.page import answer, find_kind
from asgd.report.templates import Templates
from asgd.settings.plain_yaml import read_yaml
from asgd.settings.study import Params
from asgd.tables.files import find_table, read_table

BENCHMARK = "benchmark.json"


def list_shown(params: Params) -> list[str]:
    """The presets whose results the README shows: those with `readme` under `shipped` in params.yaml, in its order."""
    return [name for name, study in params.presets.items() if study.shipped and study.shipped.readme]


def collect_study(results: Path, benchmark: Mapping[str, Any]) -> dict[str, Any]:
    """What the templates know of the study in the folder ``results``, apart from its verdicts: findings and cost."""
    study, tables = read_json(results / "study.json"), results / "tables"
    environment = read_json(tables / "environment.json")
    return {
        "name": results.name,
        "description": study["description"],
        "edition": study["claims"]["edition"],
        "summaries": Findings.read(sorted(tables.glob("*_summary.json"))).summaries,
        "n_runs": len(read_table(find_table(tables, "runs"))),
        "total_steps": environment["total_steps"],
        "core_hours": environment["core_hours"],
        "cost": estimate_cost(benchmark, environment["total_steps"]),
    }


def collect_claims(studies: Mapping[str, Verdicts]) -> dict[str, Any]:
    """What the templates know of the verdicts of ``studies``, by name of the study.

    - `answers`: of each study, what ``asgd.report.page.answer`` says.
    - `claims`: a group for each claim in each of its wordings, for an edition of the rules may word a claim in its own
      way. A group has a row for each variant: its `label`, and its verdict `by_study`, of each study that has one.
    - `levels`: claims by the confidence level of their intervals, the level of most claims first.
    """
    claims: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    levels: dict[float, dict[str, None]] = {}
    for study, verdicts in studies.items():
        for verdict, row in zip(verdicts.verdicts, tabulate_verdicts(verdicts), strict=True):
            found = claims.setdefault((row.claim, row.statement), {})
            shown = found.setdefault(verdict.variant, {"label": "", "by_study": {}})
            shown["by_study"][study] = row
            shown["label"] = (
                " ".join(filter(None, [find_kind(verdict), format_setting(verdict.setting)])) or shown["label"]
            )
            if row.confidence is not None:
                levels.setdefault(round(row.confidence, 9), {})[row.claim] = None
    return {
        "answers": {study: answer(verdicts.verdicts) for study, verdicts in studies.items()},
        "claims": [
            {"id": id_, "statement": text, "rows": list(rows.values()), "variants": [*filter(None, rows)]}
            for (id_, text), rows in claims.items()
        ],
        "levels": sorted(((level, list(ids)) for level, ids in levels.items()), key=lambda pair: -len(pair[1])),
    }


def collect_benchmark(result: Mapping[str, Any]) -> dict[str, Any]:
    """What the templates know of ``asgd bench``'s numbers: steps with momentum and without dropout, by engine; jobs."""
    kept = [row for row in result["steps"] if row["momentum"] > 0 and row["dropout"] == 0]
    engines = dict.fromkeys(row["engine"] for row in kept)
    evaluation = result["evaluation"]
    return {
        "workers": list(dict.fromkeys(row["num_workers"] for row in kept)),
        "engines": {engine: [row for row in kept if row["engine"] == engine] for engine in engines},
        "evaluation": {"seconds": evaluation["seconds"][FUSED], "ratio": evaluation["ratio_to_pytorch"][FUSED]},
        "job": result["job"],
        "start": result["start_up_seconds"],
        "machine": result["machine"],
    }


def make_blocks(presets: Sequence[str], results: Path, root: Path) -> dict[str, str]:
    """The README's blocks by name.

    They show the studies ``presets`` and the benchmark in the folder ``results``, and CITATION.cff in ``root``, the
    project's folder, which has the templates too.
    """
    measured, report = read_json(results / BENCHMARK), root / "report"
    verdicts = {name: results / name / "claims.json" for name in presets}
    numbers = {
        "studies": [collect_study(results / name, measured) for name in presets],
        **collect_claims({name: claims_from_json(read_json(path), str(path)) for name, path in verdicts.items()}),
        **collect_benchmark(measured),
        "citation": read_yaml(root / "CITATION.cff"),
    }
    templates = Templates(report / "templates")
    return {name: templates.render(f"readme/{name}.md", numbers) for name in list_blocks(report)}


def update_readme(readme: Path, presets: Sequence[str], results: Path, root: Path) -> None:
    """Fill all blocks of the README. Arguments as of ``make_blocks``."""
    for name, content in make_blocks(presets, results, root).items():
        update_block(readme, name, content)


def read_block(readme: Path, name: str) -> str:
    """What stands between the README's comments ``name``: begin and end. AsgdError where they are missing."""
    return _split(readme, name)[1]


def update_block(readme: Path, name: str, content: str) -> None:
    """Replace what stands between the README's comments ``name``: begin and end. AsgdError where they are missing."""
    before, _, after = _split(readme, name)
    write_text(readme, f"{before}{content}{after}")


def _split(readme: Path, name: str) -> tuple[str, str, str]:
    """The README up to a block's first comment, the block, and the README from its last comment on."""
    first, last = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->\n"
    try:
        before, begin, rest = readme.read_text(encoding="utf-8").partition(first)
    except (OSError, ValueError) as error:
        raise AsgdError(f"{readme}: cannot be read ({error}); restore it from git") from error
    block, end, after = rest.partition(last)
    if not (begin and end):
        raise AsgdError(f"{readme}: the comments {first.strip()} and {last.strip()} are missing; restore them")
    return before + begin, block, end + after
