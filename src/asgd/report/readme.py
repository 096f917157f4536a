"""The README's generated parts, kept in step with the results that they show."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from asgd.claims import Verdict, Verdicts, claims_from_json
from asgd.claims.wording import format_setting, list_words
from asgd.errors import AsgdError
from asgd.files import read_json, write_text
from asgd.report.findings import FUSED, Findings, estimate_cost
from asgd.report.generated import list_blocks
from asgd.report.page import describe_claims, find_kind
from asgd.report.templates import Templates
from asgd.settings.plain_yaml import read_yaml
from asgd.settings.study import Params
from asgd.tables.files import find_table, read_table
from asgd.tables.outcomes import MEANINGS

BENCHMARK = "benchmark.json"


def find_shown(params: Params) -> str | None:
    """The preset whose results the README shows: that with `readme` under `shipped`. Raises AsgdError for several."""
    shown = [name for name, study in params.presets.items() if study.shipped and study.shipped.readme]
    if len(shown) > 1:
        raise AsgdError(f"presets: `shipped.readme` is true in {list_words(shown)}; set it in one of them")
    return shown[0] if shown else None


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
        "total_gradients": environment.get("total_gradients"),
        "core_hours": environment["core_hours"],
        "cost": estimate_cost(benchmark, environment, environment["total_steps"]),
    }


def collect_claims(verdicts: Verdicts, earlier: Verdicts | None = None) -> dict[str, Any]:
    """What the templates know of ``verdicts`` beside those of an ``earlier`` study: that of ``describe_claims``, and

    - `groups`: for each claim its id, its statement, whether it is the paper's (`paper`), the `confidence` of most of
      its intervals, and as `rows` its verdicts, each with a `label` that tells it from the others. One that is judged
      where other settings take the same steps has none.
    - `levels`: claims by the confidence level of their intervals, the level of most claims first.
    - `meanings`: of the outcomes that effects count.
    """
    described = describe_claims(verdicts, earlier)
    groups: dict[str, list[tuple[Verdict, dict[str, Any]]]] = {}
    for verdict, row in zip(verdicts.verdicts, described["verdicts"], strict=True):
        if not row["same_steps_as"]:
            groups.setdefault(verdict.claim, []).append((verdict, row))
    confidence = {claim: _find_common_level(row for _, row in judged) for claim, judged in groups.items()}
    levels: dict[float, list[str]] = {}
    for claim, level in confidence.items():
        if level is not None:
            levels.setdefault(round(level, 9), []).append(claim)
    return {
        **described,
        "groups": [
            {
                **{key: judged[0][1][key] for key in ("statement", "paper")},
                "id": claim,
                "confidence": confidence[claim],
                "rows": [
                    {**row, "label": label}
                    for label, (_, row) in zip(_label([verdict for verdict, _ in judged]), judged, strict=True)
                ],
            }
            for claim, judged in groups.items()
        ],
        "meanings": dict(MEANINGS),
        "levels": sorted(levels.items(), key=lambda pair: -len(pair[1])),
    }


def _find_common_level(rows: Iterable[dict[str, Any]]) -> float | None:
    """The confidence level that most of ``rows`` with an interval have."""
    levels = Counter(row["confidence"] for row in rows if row["confidence"] is not None)
    return levels.most_common(1)[0][0] if levels else None


def _label(judged: Sequence[Verdict]) -> list[str]:
    """What tells the verdicts on a claim apart: their settings if these differ, else their kinds, if need be both."""
    differing = {key for one in judged for key in one.setting if len({other.setting.get(key) for other in judged}) > 1}
    settings = [format_setting({key: one.setting[key] for key in one.setting if key in differing}) for one in judged]
    if len(set(settings)) == len(judged):
        return settings
    kinds = [find_kind(verdict) for verdict in judged]
    return [
        " ".join(filter(None, [kind, setting if kinds.count(kind) > 1 else ""]))
        for kind, setting in zip(kinds, settings, strict=True)
    ]


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


def make_blocks(params: Params, results: Path, root: Path) -> dict[str, str]:
    """The README's blocks by name.

    They show the study that ``params`` says, with the verdicts of the study before it, and the benchmark, of the folder
    ``results``; and CITATION.cff in ``root``, the project's folder, which has the templates too.
    """
    measured, report, shown = read_json(results / BENCHMARK), root / "report", find_shown(params)
    if shown is None:
        raise AsgdError(
            "presets: none has `shipped.readme`, and the README shows one study; set it to true in one of them"
        )
    earlier = params.presets[shown].earlier
    judged = [results / name / "claims.json" for name in (shown, earlier) if name]
    numbers = {
        "study": collect_study(results / shown, measured),
        "earlier": earlier,
        **collect_claims(*(claims_from_json(read_json(path), str(path)) for path in judged)),
        **collect_benchmark(measured),
        "citation": read_yaml(root / "CITATION.cff"),
    }
    templates = Templates(report / "templates")
    return {name: templates.render(f"readme/{name}.md", numbers) for name in list_blocks(report)}


def update_readme(readme: Path, params: Params, results: Path, root: Path) -> None:
    """Fill all blocks of the README. Arguments as of ``make_blocks``."""
    for name, content in make_blocks(params, results, root).items():
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
