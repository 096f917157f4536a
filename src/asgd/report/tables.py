"""The generated files of the report: numbers, verdicts, accuracies, open settings and environment."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from asgd.claims import Verdict, format_effect
from asgd.files import write_text
from asgd.report.findings import Findings, collect_findings, format_hours
from asgd.report.generated import GENERATED
from asgd.report.latex import define_macros, escape, format_count, list_words, make_table
from asgd.report.numbers import collect_macros, describe_data, format_percent
from asgd.settings.parameters import kinds_of, label_settings
from asgd.settings.study import Params
from asgd.tables.experiments import MOST_ARMS, experiment_names, list_arms, naming_keys, select_experiment

_NARROW = r"\setlength{\tabcolsep}{4pt}"
_DENSE = r"\renewcommand{\arraystretch}{0.92}"
_ENGINES_OWN = {"Numba", "PyTorch"}  # each engine loads one of them
_MOST_ROWS = 68  # of a table that fits a column


def write_tables(
    out_folder: str | Path,
    params: Params,
    runs: pd.DataFrame,
    arms: pd.DataFrame,
    verdicts: Sequence[Verdict],
    environment: Mapping[str, Any],
    findings: Findings | None = None,
) -> None:
    """Write every file of ``GENERATED`` into ``out_folder``, from the tidy tables, the verdicts and the environment.

    ``environment`` is what ``collect_environment`` returns; missing entries are printed as not recorded.
    ``findings``: those of the further analyses.
    """
    macros = collect_macros(params, runs, arms, verdicts, environment)
    macros |= collect_findings(findings or Findings({}), runs, verdicts, runs["last_step"].sum())
    flag = "\\demonstrationtrue\n" if params.selected.demonstration else "\\demonstrationfalse\n"
    contents = {
        "numbers.tex": flag + define_macros(macros),
        "claims.tex": make_claims_table(verdicts),
        "accuracy.tex": make_accuracy_tables(arms),
        "assumptions.tex": make_assumptions_table(params, arms, environment),
        "environment.tex": make_environment_table(params, runs, arms, environment),
    }
    for name in GENERATED:
        write_text(Path(out_folder) / name, f"% Generated from the results; do not edit.\n{contents[name]}")


def make_claims_table(verdicts: Sequence[Verdict]) -> str:
    """Every claim, and under it each verdict with the effect, its interval, p-values and the reason."""
    header = ["", "Verdict", "Effect and interval", "$p$", "$n$", "Reason"]
    columns = f"@{{}}{_ragged(0.62)}{_ragged(0.78)}{_ragged(1.9)}rr{_ragged(2.3)}@{{}}"
    groups: dict[str, list[list[str]]] = {}
    for verdict in verdicts:
        title = rf"\multicolumn{{6}}{{@{{}}l@{{}}}}{{\emph{{{escape(verdict.claim)}}}}}"
        groups.setdefault(f"{verdict.id.split('-')[0]} {verdict.claim}", [[title]]).append(_describe_verdict(verdict))
    return make_table(columns, header, groups.values())


def _describe_verdict(verdict: Verdict) -> list[str]:
    return [
        escape(verdict.id).replace("-", r"-\allowbreak "),
        rf"\textbf{{{escape(verdict.verdict)}}}",
        _describe_effect(verdict),
        _format_p(verdict),
        str(verdict.n),
        escape(verdict.reason),
    ]


def _ragged(inches: float) -> str:
    return rf">{{\raggedright\arraybackslash}}p{{{inches}in}}"


def _describe_effect(verdict: Verdict) -> str:
    level = f" ({100 * verdict.confidence:g}\N{NO-BREAK SPACE}%)" if verdict.confidence and verdict.interval else ""
    name = f"{verdict.effect_name}: " if verdict.effect_name and verdict.effect is not None else ""
    return escape(f"{name}{format_effect(verdict)}{level}") if verdict.effect is not None else "--"


def _format_p(verdict: Verdict) -> str:
    if verdict.p_value is None:
        return "--"
    adjusted = verdict.p_value if verdict.p_adjusted is None else verdict.p_adjusted
    return "{} ({})".format(*("$<$0.001" if p < 0.001 else f"{p:.3f}" for p in (verdict.p_value, adjusted)))


def make_accuracy_tables(arms: pd.DataFrame) -> str:
    """Final test accuracy and outcomes of every arm, under the name of its experiment, cut into tables of a column.

    An arm of several experiments stands in the first only; an experiment of very many arms is left out, and a note
    says so.
    """
    rows, notes, seen = [], [], set[str]()
    for name in experiment_names(arms):
        chosen = select_experiment(arms, name)
        keys = naming_keys(chosen)
        fresh = [arm for arm in list_arms(chosen) if arm["arm"] not in seen]
        if len(fresh) > MOST_ARMS:
            notes.append(f"The {len(fresh)} arms of experiment {name} are in the table of arms only (arms.csv).")
            continue
        seen.update(arm["arm"] for arm in fresh)
        title = [rf"\multicolumn{{8}}{{@{{}}l@{{}}}}{{\emph{{{escape(name)}}}}}"]
        rows += [title, *(_describe_arm(arm, keys) for arm in fresh)] if fresh else []
    tables = [_float_accuracies(rows[start : start + _MOST_ROWS], start) for start in range(0, len(rows), _MOST_ROWS)]
    return "\n".join(tables) + "".join(f"{escape(note)}\n" for note in notes)


def _describe_arm(arm: Mapping[str, Any], keys: list[str]) -> list[str]:
    spread = arm["final_test_accuracy_std"]
    accuracy = format_percent(arm["final_test_accuracy_mean"])
    counts = [str(int(arm[outcome])) for outcome in ("trained", "plateau", "dead", "non_finite")]
    deviation = "" if pd.isna(spread) else rf"$\pm$ {format_percent(spread)}"
    return [escape(label_settings(arm, keys)) or "all runs", accuracy, deviation, str(int(arm["n_runs"])), *counts]


def _float_accuracies(rows: list[list[str]], start: int) -> str:
    header = ["Arm", r"\multicolumn{2}{c}{Accuracy, \%}", "$n$", "tr.", "pl.", "died", "n.f."]
    caption = f"Accuracy and outcomes by experiment{', continued' if start else ''}"
    table = make_table(r"@{}lr@{ }l@{ }rrrrr@{}", header, [rows])
    style = rf"\centering\scriptsize{_NARROW}{_DENSE}"
    return f"\\begin{{table}}[!t]\n\\caption{{{caption}}}\n{style}\n{table}\\end{{table}}\n"


def make_assumptions_table(params: Params, arms: pd.DataFrame, environment: Mapping[str, Any]) -> str:
    """What the paper leaves open, and what the study does about it."""
    preset = params.selected
    relu = {True: "with the ReLU on the logits (the literal reading)", False: "with plain logits"}
    pools = {1: "pooling after the first convolution only", 2: "pooling after both convolutions"}
    rows = [
        ["Images", "CIFAR-10", escape(describe_data(preset, environment))],
        ["Learning rate", "not given", _list(arms, "learning_rate")],
        ["Epochs", "not given", _list(arms, "epochs")],
        ["Runs an arm", "several (``some runs'')", f"{_range(arms['n_runs'])}, paired by seed"],
        ["Momentum $b$", "not given", _list(arms[arms["momentum"] > 0], "momentum")],
        ["Kind of momentum", "not given", _list_momentum(arms)],
        [
            "Output",
            "each layer is followed by a ReLU",
            list_words([relu[bool(v)] for v in _unique(arms, "output_relu")]),
        ],
        [
            "Pooling",
            "named after the first convolution",
            list_words([pools[int(v)] for v in _unique(arms, "pools")]),
        ],
        ["Dropout", "a rate $p$", "on both hidden fully connected layers"],
    ]
    columns = f"@{{}}{_ragged(0.8)}{_ragged(1.05)}{_ragged(1.3)}@{{}}"
    return make_table(columns, ["Setting", "The paper", "Here"], [rows])


def _unique(arms: pd.DataFrame, key: str) -> list[Any]:
    return sorted(arms[key].dropna().unique())


def _list(arms: pd.DataFrame, key: str) -> str:
    return list_words([float(value) for value in _unique(arms, key)]) or "none"


def _list_momentum(arms: pd.DataFrame) -> str:
    kinds = [label_settings(arm, kinds_of("momentum")) for arm in list_arms(arms[arms["momentum"] > 0])]
    return list_words(sorted(set(kinds))) or "none"


def _range(counts: "pd.Series[int]") -> str:
    low, high = int(counts.min()), int(counts.max())
    return str(low) if low == high else f"{low} to {high}"


def make_environment_table(
    params: Params, runs: pd.DataFrame, arms: pd.DataFrame, environment: Mapping[str, Any]
) -> str:
    """Data, preset, seeds, cost, hardware and versions."""
    hours = environment.get("core_hours", runs["wall_seconds"].sum() / 3600)
    study = {
        "Preset": escape(params.preset),
        "Data source": escape(environment.get("data_source", params.selected.data.source)),
        "Data fingerprint": escape(str(environment.get("fingerprint", ""))[:16]),
        "Seeds": list_words(sorted(runs["seed"].unique())),
    }
    cost = {
        "Arms, runs": f"{format_count(len(arms))}, {format_count(len(runs))}",
        "Server steps": format_count(environment.get("total_steps", runs["last_step"].sum())),
        "Core hours": format_hours(hours),
    }
    names = {
        "cpu": "Processor",
        "cores": "Usable cores",
        "system": "System",
        "engine": "Engine",
        "device": "Device or kernels",
    }
    versions = {"python": "Python", "torch": "PyTorch", "numpy": "NumPy", "numba": "Numba"}
    machine = {title: escape(environment.get(key, "")) for key, title in (names | versions).items()}
    groups = [
        [[title, value or "not recorded"] for title, value in group.items() if value or title not in _ENGINES_OWN]
        for group in (study, cost, machine)
    ]
    return make_table(f"@{{}}l{_ragged(2.2)}@{{}}", [], groups)
