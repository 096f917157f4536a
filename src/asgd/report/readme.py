"""The README's tables, kept in step with the results that they show."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from asgd.claims import claims_from_json
from asgd.errors import AsgdError
from asgd.files import read_json, write_text
from asgd.report.findings import FUSED, Findings, estimate_cost
from asgd.report.generated import list_blocks
from asgd.report.page import describe_claims
from asgd.report.templates import Templates
from asgd.tables.files import read_table


def collect_study(results: Path, benchmark: Mapping[str, Any]) -> dict[str, Any]:
    """What the templates know of the study in the folder ``results``: verdicts, findings and cost."""
    claims, tables = results / "claims.json", results / "tables"
    environment = read_json(tables / "environment.json")
    return {
        **describe_claims(claims_from_json(read_json(claims), str(claims))),
        "summaries": Findings.read(sorted(tables.glob("*_summary.json"))).summaries,
        "n_runs": len(read_table(tables / "runs.csv")),
        "total_steps": environment["total_steps"],
        "core_hours": environment["core_hours"],
        "cost": estimate_cost(benchmark, environment["total_steps"]),
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


def make_blocks(results: Path, benchmark: Path, report: Path) -> dict[str, str]:
    """The README's blocks by name, from the study in the folder ``results``, the benchmark and the templates."""
    measured, templates = read_json(benchmark), Templates(report / "templates")
    numbers = {**collect_study(results, measured), **collect_benchmark(measured)}
    return {name: templates.render(f"readme/{name}.md", numbers) for name in list_blocks(report)}


def update_readme(readme: Path, results: Path, benchmark: Path, report: Path) -> None:
    """Fill all blocks of the README."""
    for name, content in make_blocks(results, benchmark, report).items():
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
