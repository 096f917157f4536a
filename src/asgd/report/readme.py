"""The README's tables, kept in step with the results that they show."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from asgd.claims import Verdict, claims_from_json, format_effect
from asgd.errors import AsgdError
from asgd.files import read_json, write_text
from asgd.report.findings import Findings, describe_naive_cost, format_hours
from asgd.tables.files import read_table

#: Keys of the summaries of the further analyses, and what the README calls them.
FINDINGS = {
    "pairs": "Which unstated settings would make the paper right",
    "ranks": "Whether a run that stops at a constant loss dies of instability or of the draw of its logits",
}


def make_claims_markdown(verdicts: Sequence[Verdict]) -> str:
    """A Markdown table: the paper's claim, the verdict, the effect with its interval, and the reason.

    Verdicts that are not applicable stand with their reasons in a line below it.
    """
    rows = ["| | the paper | here | effect | why |", "|---|---|---|---|---|"]
    absent = [verdict for verdict in verdicts if verdict.verdict == "not applicable"]
    for verdict in (verdict for verdict in verdicts if verdict not in absent):
        cells = [verdict.id, verdict.claim, f"**{verdict.verdict}**", format_effect(verdict), verdict.reason]
        rows.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    if absent:
        rows += ["", f"Not applicable: {', '.join(f'{verdict.id} ({verdict.reason})' for verdict in absent)}."]
    return "\n".join(rows) + "\n"


def make_findings_markdown(sentences: Mapping[str, str]) -> str:
    """What the study found beyond the claims, of the ``FINDINGS`` that ``sentences`` has; empty if it has none."""
    lines = [f"- {title}: {sentences[key]}.\n" for key, title in FINDINGS.items() if sentences.get(key)]
    return "".join(["\nBeyond the claims:\n\n", *lines]) if lines else ""


def make_cost_markdown(environment: Mapping[str, Any], num_runs: int, benchmark: Mapping[str, Any]) -> str:
    """What the study took: runs, steps and core hours, and what the naive simulator would need."""
    steps = environment["total_steps"]
    measured = f"{num_runs:,} runs, {steps / 1e6:.3g} million server steps, {format_hours(environment['core_hours'])}"
    return f"\nCost: {measured} core hours with all evaluations; {describe_naive_cost(benchmark, steps)}.\n"


def make_benchmark_markdown(result: Mapping[str, Any]) -> str:
    """Microseconds a step, and times the naive simulator's speed, by engine and m, of ``asgd bench``'s numbers."""
    kept = [row for row in result["steps"] if row["momentum"] > 0 and row["dropout"] == 0]
    workers = list(dict.fromkeys(row["num_workers"] for row in kept))
    rows = [f"| µs a step (times naive) | {' | '.join(f'm = {m}' for m in workers)} |", "|---|" + "---|" * len(workers)]
    for engine in dict.fromkeys(row["engine"] for row in kept):
        cells = [f"{row['microseconds']:.0f} ({row['ratio_to_naive']:.1f})" for row in kept if row["engine"] == engine]
        rows.append(f"| {engine} | {' | '.join(cells)} |")
    evaluation, job, start = result["evaluation"], result["job"], result["start_up_seconds"]
    ratio = evaluation["ratio_to_pytorch"]["fused-vector"]
    machine = result["machine"]
    seconds = evaluation["seconds"]["fused-vector"]
    text = (
        f"One thread of {machine['processor']} ({machine['llvm_name']}), momentum 0.9, medians of interleaved rounds. "
        f"An evaluation of 10,000 images takes {seconds:.2f} s, {ratio:.1f} times less than in PyTorch. An epoch of "
        f"12,500 steps through `asgd train` takes {job['fused']:.1f} s, {job['ratio']:.1f} times less than with the "
        f"reference engine; a job starts in {start['cached']:.1f} s ({start['cold']:.0f} s once, to compile)."
    )
    rows += ["", text]
    return "\n".join(rows) + "\n"


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
        raise AsgdError(f"{readme}: the comments {first.strip()} and {last.strip()} are missing; put them back")
    return before + begin, block, end + after


def update_readme(readme: Path, results: Path, benchmark: Path) -> None:
    """Put verdicts, findings and cost of the study in the folder ``results``, and the benchmark, into the README."""
    for name, content in make_blocks(results, benchmark).items():
        update_block(readme, name, content)


def make_blocks(results: Path, benchmark: Path) -> dict[str, str]:
    """The README's blocks by name, from the study in the folder ``results`` and the benchmark."""
    claims, measured = results / "claims.json", read_json(benchmark)
    verdicts = make_claims_markdown(claims_from_json(read_json(claims), str(claims)))
    environment = read_json(results / "tables" / "environment.json")
    num_runs = len(read_table(results / "tables" / "runs.csv"))
    findings = make_findings_markdown(Findings.read(sorted((results / "tables").glob("*_summary.json"))).sentences)
    return {
        "claims": verdicts + findings + make_cost_markdown(environment, num_runs, measured),
        "benchmark": make_benchmark_markdown(measured),
    }
