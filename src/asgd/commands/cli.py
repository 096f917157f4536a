"""The ``asgd`` command. The workflow's rules call the same functions.

Heavy libraries are imported by the subcommand that needs them, so that ``asgd --help`` answers at once.
"""

import argparse
import math
import shlex
import signal
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from asgd import __version__
from asgd.errors import AsgdError
from asgd.logs import discard_output, print_error, tolerate_output
from asgd.settings.data import DataConfig
from asgd.settings.run import RunConfig
from asgd.settings.study import check_name, load_params
from asgd.settings.validation import validate

if TYPE_CHECKING:
    from asgd.runs.orders import Order

DEFAULT_DATA_ROOT = Path("data")
RUNS = Path("results/runs")
KEPT = Path("results/kept")
CHECKPOINTS = Path("results/checkpoints")
INTERNAL_ERROR = 70  #: exit status of `asgd verify` where a check itself failed


class _Parser(argparse.ArgumentParser):
    """Reports a wrong flag in one line, like every other error."""

    def error(self, message: str) -> NoReturn:
        shown = message if len(message) <= 300 else f"{message[:300]}..."
        self.exit(2, f"{self.prog}: error: {' '.join(shown.splitlines())} (see {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; returns the exit status: 0, 1 after a one-line error, 2 for wrong flags, 130 after Ctrl-C.

    A check of `asgd verify` that itself fails ends the process with status ``INTERNAL_ERROR``.

    SIGTERM, which schedulers send before they kill, ends the process as Ctrl-C does, with status 143: files in the
    making are removed. Where nobody reads the output any more (``asgd claims | head -1``) the status is 141.
    """
    tolerate_output()
    warnings.showwarning = _show_warning
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        try:
            options = build_parser().parse_args(arguments)
            options.run(options)
        finally:
            sys.stdout.flush()
    except AsgdError as error:
        print_error(error)
        return 1
    except BrokenPipeError:
        discard_output()
        return 128 + signal.SIGPIPE
    except OSError as error:
        discard_output()
        print_error(f"{error.filename or 'standard output'}: {error.strerror or error}")
        return 1
    except MemoryError as error:
        print_error(f"the memory does not suffice: {error or 'no more is free'}")
        return 1
    except KeyboardInterrupt:
        print("asgd: interrupted", file=sys.stderr)
        return 130
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


def _terminate(number: int, frame: object) -> NoReturn:
    print("asgd: terminated", file=sys.stderr)
    sys.exit(128 + number)


def _show_warning(
    message: Warning | str, category: type, filename: str, lineno: int, file: object = None, line: str | None = None
) -> None:
    print(f"asgd: warning: {message}", file=sys.stderr)


def build_parser() -> argparse.ArgumentParser:
    """The parser of all subcommands; their flags are the configuration's keys, with dashes."""
    parser = _Parser(
        prog="asgd", description="Simulate asynchronous SGD with constant staleness and judge the paper's claims."
    )
    parser.add_argument("--version", action="version", version=f"asgd {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)
    _add_train(commands)
    _add_data(commands)
    _add_claims(commands)
    _add_verify(commands)
    _add_status(commands)
    _add_calibration(commands)
    _add_pool(commands)
    _add_compile(commands)
    _add_bench(commands)
    _add_sources(commands)
    from asgd.commands.stability import add_parser  # which takes its flags from here

    add_parser(commands)
    return parser


def _add_train(commands: Any) -> None:
    parser = commands.add_parser(
        "train", help="train one run", description="Train one run, or several, and write metrics.csv and run.json."
    )
    parser.set_defaults(run=_train)
    several = parser.add_argument_group("several runs in one process")
    several.add_argument(
        "--each",
        type=_path,
        metavar="FILE",
        help="train a run for each line of FILE (-: standard input), which holds flags beside those given here",
    )
    several.add_argument(
        "--logs", type=_path, metavar="DIR", help="with --each: write DIR/<run>.log, a file for each run"
    )
    add_model_flags(parser.add_argument_group("run (keys of `run` in params.yaml)"), RunConfig)
    _add_data_flags(parser)
    parser.add_argument(
        "--variant",
        choices=["auto", "vector", "plain"],
        default="auto",
        help="kernels of the fused engine: explicit vectors, plain loops, or what the machine is best at (default)",
    )
    parser.add_argument("--out", type=_path, metavar="DIR", help=f"folder for the results (default: {RUNS}/<run>)")
    parser.add_argument(
        "--checkpoints",
        type=_path,
        default=CHECKPOINTS,
        metavar="DIR",
        help="where a killed run finds its last state when it is started again (default: %(default)s)",
    )
    parser.add_argument(
        "--checkpoint-every",
        type=_seconds,
        default=60.0,
        metavar="SECONDS",
        help="least time between two checkpoints, which are taken at evaluations (default: %(default)s)",
    )


def _add_data(commands: Any) -> None:
    parser = commands.add_parser(
        "data",
        help="prepare the images and show what is there",
        description="Prepare the images once and describe them.",
    )
    parser.set_defaults(run=_data)
    _add_data_flags(parser)
    parser.add_argument("--preset", type=_preset, help="take the data of this preset of params.yaml")
    parser.add_argument(
        "--contact-sheet", type=_path, metavar="FILE", help="also write a PNG with some images of every class"
    )


def _add_claims(commands: Any) -> None:
    parser = commands.add_parser(
        "claims",
        help="judge the paper's claims",
        description="Judge the paper's claims from the tables of a preset, with the margins of params.yaml.",
    )
    parser.set_defaults(run=_claims)
    parser.add_argument(
        "--preset", type=_preset, help="which preset's results (default: the one that params.yaml names)"
    )
    _add_params_flag(parser)
    _add_results_flag(parser)
    parser.add_argument("--json", type=_path, metavar="FILE", help="also write the verdicts to FILE")


def _add_verify(commands: Any) -> None:
    parser = commands.add_parser(
        "verify",
        help="check shipped results against configuration, sources and data",
        description="Say which shipped results do not match params.yaml, the sources and the data. Trains nothing: "
        "tables are made again from those of the runs, these from packed runs, and figures and report are drawn again. "
        f"Ends with status 1 if something does not match, and with {INTERNAL_ERROR} if a check itself failed.",
    )
    parser.set_defaults(run=_verify)
    parser.add_argument("--preset", type=_preset, help="whose results (default: all that are shipped or there)")
    _add_params_flag(parser)
    _add_results_flag(parser)
    parser.add_argument(
        "--data-root", type=_path, default=DEFAULT_DATA_ROOT, metavar="DIR", help="default: %(default)s"
    )
    parser.add_argument(
        "--without", nargs="+", default=[], metavar="CHECK", help="leave out checks: figures and map take the longest"
    )


def _add_status(commands: Any) -> None:
    description = (
        "Say how many runs of a preset are done, running, failed and waiting, and how long the rest will take."
    )
    parser = commands.add_parser("status", help="show how far a study is", description=description)
    parser.set_defaults(run=_status)
    parser.add_argument("--preset", type=_preset, help="which study (default: the preset that params.yaml names)")
    parser.add_argument("--watch", action="store_true", help="go on until all runs are done")
    _add_params_flag(parser)


def _add_calibration(commands: Any) -> None:
    description = "Show which learning rate the calibration chooses, and by what."
    parser = commands.add_parser("calibration", help="show the choice of the learning rate", description=description)
    parser.set_defaults(run=_calibration)
    parser.add_argument(
        "--preset", type=_preset, default="calibration", help="the preset that calibrates (default: %(default)s)"
    )
    _add_results_flag(parser)


def _add_pool(commands: Any) -> None:
    pack = commands.add_parser("pack", help="put a preset's runs into one file", description="Pack finished runs.")
    pack.set_defaults(run=_pack)
    pack.add_argument("archive", type=_path, help="the file to write, .tar.xz")
    pack.add_argument("--preset", type=_preset, help="whose runs (default: the preset that params.yaml names)")
    unpack = commands.add_parser("unpack", help="put packed runs back", description="Put packed runs into the pool.")
    unpack.set_defaults(run=_unpack)
    unpack.add_argument("archive", type=_path, help="a file that `asgd pack` wrote")
    prune = commands.add_parser(
        "prune",
        help="delete runs that no preset asks for",
        description="List the runs and checkpoints that no preset of params.yaml asks for, and delete them if told so.",
    )
    prune.set_defaults(run=_prune)
    prune.add_argument("--yes", action="store_true", help="delete without asking")
    _add_params_flag(prune)


def _add_compile(commands: Any) -> None:
    description = "Compile the fused engine, unless that is done already, and say where the result lies."
    parser = commands.add_parser("compile", help="compile the fused engine", description=description)
    parser.set_defaults(run=_compile)


def _add_bench(commands: Any) -> None:
    description = "Time the engines side by side, on one thread, against the naive paper-style simulator."
    parser = commands.add_parser("bench", help="measure the engines' speed", description=description)
    parser.set_defaults(run=_bench)
    parser.add_argument("--json", type=_path, metavar="FILE", help="also write all numbers to FILE")


def _add_sources(commands: Any) -> None:
    description = (
        "Show which sources decide the numbers of each family of runs and images. With `accept`: train runs again, "
        "drawn over all experiments that have tables. If all are equal, the present sources go by the earlier names."
    )
    about = "show or accept the sources that decide numbers"
    parser = commands.add_parser("sources", help=about, description=description)
    parser.set_defaults(run=_sources)
    parser.add_argument("action", nargs="?", choices=["show", "accept"], default="show", help="default: %(default)s")
    parser.add_argument("--jobs", type=_count, default=1, help="accept: runs to train at a time (default: %(default)s)")
    parser.add_argument("--runs", type=_count, default=30, help="accept: how many runs to train (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="accept: which runs are drawn (default: %(default)s)")
    parser.add_argument(
        "--earlier",
        metavar="COMMIT",
        help="accept: a run that differs from its table is trained by these sources too",
    )
    parser.add_argument(
        "--rounding", nargs="*", default=[], metavar="COLUMN", help="accept: columns that may differ in rounding (1e-5)"
    )
    _add_params_flag(parser)
    _add_results_flag(parser)
    parser.add_argument("--data-root", type=Path, default=DEFAULT_DATA_ROOT, metavar="DIR", help="default: %(default)s")


def _add_params_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--params", type=_path, default=Path("params.yaml"), metavar="FILE", help="default: %(default)s"
    )


def _add_results_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", type=_path, default=Path("results"), metavar="DIR", help="default: %(default)s")


def _add_data_flags(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("data (keys of `data` in params.yaml)")
    add_model_flags(group, DataConfig, prefix="data-")
    group.add_argument(
        "--data-root",
        type=_path,
        default=DEFAULT_DATA_ROOT,
        metavar="DIR",
        help="where prepared images are kept (default: %(default)s)",
    )


def _path(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("is empty; give a path")
    return Path(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds; give one of at least 0")
    return seconds


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text[:9]) == int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _preset(text: str) -> str:
    try:
        check_name(text, "a preset")
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def add_model_flags(group: Any, model: type[BaseModel], prefix: str = "") -> None:
    """A flag for every field of ``model``: ``num_workers`` becomes ``--num-workers``."""
    for name, field in model.model_fields.items():
        flag = f"--{prefix}{name.replace('_', '-')}"
        default = "" if field.default is None else f" (default: {field.default})"
        help_text = f"{field.description}{default}".replace("%", "%%")
        group.add_argument(flag, dest=f"{prefix}{name}", default=argparse.SUPPRESS, help=help_text, **_flag_type(field))


def flags_of(model: BaseModel, prefix: str = "") -> list[str]:
    """The flags that make ``model``: the inverse of ``add_model_flags``; keys at their default are left out."""
    flags = []
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if value == field.default:
            continue
        flag = f"{prefix}{name.replace('_', '-')}"
        flags += [f"--{flag}" if value else f"--no-{flag}"] if isinstance(value, bool) else [f"--{flag}", str(value)]
    return flags


def _flag_type(field: FieldInfo) -> dict[str, Any]:
    types = [t for t in get_args(field.annotation) or (field.annotation,) if t is not type(None)]
    if get_origin(field.annotation) is Literal:
        return {"choices": types, "type": type(types[0])}
    if types[0] is bool:
        return {"action": argparse.BooleanOptionalAction}
    return {"type": types[0], "metavar": types[0].__name__.upper()}


def _collect(options: argparse.Namespace, model: type[BaseModel], prefix: str = "") -> dict[str, Any]:
    values = vars(options)
    return {name: values[prefix + name] for name in model.model_fields if prefix + name in values}


def _train(options: argparse.Namespace) -> None:
    from asgd.runs.orders import read_lines, train_one, train_several

    if options.each is None:
        train_one(_read_order(options)).discard()
        return
    parser, flags = build_parser(), [["train", *_split(line, options.each)] for line in read_lines(options.each)]
    several = [parser.parse_args(line, argparse.Namespace(**vars(options))) for line in flags]
    train_several([_read_order(one) for one in several], options.logs)


def _split(line: str, file: Path) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as error:
        raise AsgdError(f"{file}: {line!r}: {error}; correct the line") from None


def _read_order(options: argparse.Namespace) -> "Order":
    from asgd.runs.orders import Order

    return Order(
        validate(RunConfig, _collect(options, RunConfig), "asgd train"),
        validate(DataConfig, _collect(options, DataConfig, "data-"), "asgd train: data"),
        options.data_root,
        RUNS,
        options.out,
        options.variant,
        options.checkpoints,
        options.checkpoint_every,
    )


def _data(options: argparse.Namespace) -> None:
    from asgd.data import format_data, prepare_data, write_contact_sheet

    values = _collect(options, DataConfig, "data-")
    if values and options.preset:
        raise AsgdError("--preset and --data-... exclude each other; give one")
    data = validate(DataConfig, values, "asgd data") if values else load_params(preset=options.preset).selected.data
    folder = prepare_data(data, options.data_root)
    print(format_data(folder))
    if options.contact_sheet:
        write_contact_sheet(folder, options.contact_sheet)
        print(f"contact sheet: {options.contact_sheet}")


def _claims(options: argparse.Namespace) -> None:
    from asgd.claims import claims_to_json, format_claims, judge_claims
    from asgd.files import write_json
    from asgd.tables.files import read_table

    params = load_params(options.params, options.preset)
    tables = options.results / params.preset / "tables"
    runs, evaluations = read_table(tables / "runs.csv"), read_table(tables / "evaluations.csv")
    verdicts = judge_claims(runs, evaluations, params.claims, params.base)
    print(format_claims(verdicts))
    if options.json:
        write_json(options.json, claims_to_json(verdicts, params.claims.edition))


def _verify(options: argparse.Namespace) -> None:
    from asgd.study.verify import find_shipped, format_check, verify_results

    presets = [options.preset] if options.preset else find_shipped(load_params(options.params), options.results)
    wrong, failed = [], []
    for preset in presets:
        print(options.results / preset, flush=True)
        params = load_params(options.params, preset)
        for check in verify_results(params, options.results, options.data_root, options.without):
            print(format_check(check), flush=True)
            wrong += [f"{preset} ({check.name})"] if check.faults else []
            failed += [check.error] if check.error else []
    mismatch = AsgdError(f"{options.results}: does not match: {', '.join(wrong)}; see the lines marked * above")
    if failed:
        print(*failed, sep="\n", file=sys.stderr)
        if wrong:
            print_error(mismatch)
        print(f"asgd: internal error in {len(failed)} checks, shown above; please report it", file=sys.stderr)
        sys.exit(INTERNAL_ERROR)
    if wrong:
        raise mismatch


def _status(options: argparse.Namespace) -> None:
    from asgd.study.plan import plan_study
    from asgd.study.status import print_status

    runs = plan_study(load_params(options.params, options.preset), DEFAULT_DATA_ROOT).runs
    print_status(runs, RUNS, Path("logs/runs"), options.watch)


def _calibration(options: argparse.Namespace) -> None:
    from asgd.analyses.calibration import format_choice, rank_learning_rates
    from asgd.tables.files import read_table

    runs = read_table(
        options.results / options.preset / "tables" / "runs.csv", ("learning_rate", "final_test_accuracy")
    )
    print(format_choice(rank_learning_rates(runs)))


def _pack(options: argparse.Namespace) -> None:
    from asgd.runs.archive import pack_runs
    from asgd.study.plan import plan_study

    names = plan_study(load_params(preset=options.preset), DEFAULT_DATA_ROOT).runs
    print(f"{options.archive}: {pack_runs(names, RUNS, options.archive)} of {len(names)} runs")


def _unpack(options: argparse.Namespace) -> None:
    from asgd.runs.archive import unpack_runs

    print(f"{RUNS}: {unpack_runs(options.archive, RUNS)} runs more")


def _prune(options: argparse.Namespace) -> None:
    from asgd.study.prune import find_unused, measure_size, remove_unused

    unused = find_unused(load_params(options.params), (RUNS, KEPT), CHECKPOINTS, DEFAULT_DATA_ROOT)
    for path in unused:
        print(f"{measure_size(path) / 1024:8,.0f} kB  {path}")
    if not unused:
        print(f"{RUNS}: every run there is asked for, or in the making")
    elif options.yes or (sys.stdin.isatty() and input(f"delete these {len(unused)}? [y/N] ").lower() == "y"):
        remove_unused(unused)
        print(f"deleted {len(unused)}")
    else:
        print(f"{len(unused)} that no preset of {options.params} asks for; --yes deletes them")


def _compile(options: argparse.Namespace) -> None:
    from asgd.simulator.fused import cache_directory, choose_variant, compile_once

    compile_once()
    print(f"{cache_directory()}: {choose_variant()} kernels")


def _bench(options: argparse.Namespace) -> None:
    from asgd.files import write_json
    from asgd.simulator.benchmark import format_benchmark, run_benchmark

    found = run_benchmark()
    print(format_benchmark(found))
    if options.json:
        write_json(options.json, found)


def _sources(options: argparse.Namespace) -> None:
    from asgd.accepted import read_accepted
    from asgd.runs.sources import find_sources, fingerprint_sources, list_families

    if options.action == "show":
        for family in list_families():
            name = fingerprint_sources(family)
            known = "accepted" if read_accepted().get(family, {}).get("name") == name else "new"
            print(f"{family}: {name[:12] or 'the first'}, {known}", *find_sources(family), sep="\n  ")
        return
    from asgd.study.accept import accept_sources

    accept_sources(
        load_params(options.params),
        options.results,
        options.data_root,
        jobs=options.jobs,
        number=options.runs,
        seed=options.seed,
        rounding=options.rounding,
        earlier=options.earlier,
    )
