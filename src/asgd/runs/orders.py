"""Training jobs as they are ordered: one run, or several that share the start of a process, or some processes."""

import io
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

from asgd.data import Dataset, load_data, prepare_data, source_fingerprint
from asgd.errors import AsgdError
from asgd.files import parse_object, read_input
from asgd.logs import log_output, print_error
from asgd.processes import map_processes
from asgd.runs.batch import Batch, Contents, write_batch
from asgd.runs.checkpoint import Checkpointer
from asgd.runs.folder import format_run, is_finished, read_run, write_run
from asgd.runs.progress import ProgressWatcher, can_show_bar, open_bar
from asgd.runs.replay import describe_replay, open_recording
from asgd.runs.sources import identify_run
from asgd.runs.train import train_run
from asgd.settings.data import DataConfig
from asgd.settings.folders import CHECKPOINTS, DATA_ROOT, KEPT, RUNS
from asgd.settings.order import Order
from asgd.settings.validation import validate
from asgd.simulator.simulate import plan_evaluations
from asgd.terminal import open_console

#: In the log of a batch the lines of a run follow one with its label and this.
BEGINS = ": begins"


@dataclass(frozen=True)
class Setup:
    """Where training jobs find their files and leave them: the same for all runs of a command."""

    data_root: Path = DATA_ROOT  #: of the prepared images
    store: Path = RUNS  #: the folder of the runs' folders
    kept: Path = KEPT  #: the folder of second names of finished runs
    checkpoints: Path = CHECKPOINTS  #: folder
    checkpoint_every: float = 60.0  #: seconds
    kernels: str = "auto"  #: of the fused engine
    logs: Path | None = None  #: the folder of a log for each run; else all is written to the terminal
    batch: Path | None = None  #: the file that all runs go into; else each has a folder


@dataclass(frozen=True)
class Done:
    """What became of an order."""

    label: str
    run: str = ""  #: its name
    folder: Path | None = None  #: None where it failed, or goes into a batch
    contents: Contents | None = None  #: of the files of a run that goes into a batch
    checkpointer: Checkpointer | None = None  #: of a run that was trained now, with its checkpoint still there
    error: str = ""
    said: str = ""  #: what was kept from the terminal, because all runs together have a bar there


def train_order(order: Order, setup: Setup) -> Done:
    """Train the run, or finish it from its checkpoint, and write its results; the checkpoint is still there then.

    Raises AsgdError where it cannot be trained.
    """
    _forget_data()
    return _train_order(order, setup)


def _train_order(order: Order, setup: Setup, again: bool = True) -> Done:
    """As ``train_order``; without ``again`` a run that is whole in its folder is left as it is, and checked."""
    run = identify_run(order.run, _name_data(order.data, setup.data_root)).name
    folder = Path(order.out) if order.out else setup.store / run
    if not again and (found := _find_finished(run, folder, setup)):
        print(f"{order.label}: finished before, skipped")
        return replace(found, label=order.label)
    dataset = _open_data(order.data, setup.data_root)
    checkpointer = None
    with ProgressWatcher(plan_evaluations(order.run, len(dataset.train_images)).total) as watcher:
        if order.run.execution == "replayed":  # without checkpoints: they could be of another recording
            recording = open_recording(folder.parent / identify_run(order.run.recorded_run(), dataset.fingerprint).name)
            result = train_run(order.run, dataset, watcher, recording.kernels, recorded=recording.config)
            result = describe_replay(result, recording)
        else:
            checkpointer = Checkpointer(setup.checkpoints / f"{run}.npz", setup.checkpoint_every, len(dataset.classes))
            result = train_run(order.run, dataset, watcher, setup.kernels, checkpointer)
    contents = format_run(result)
    done = Done(order.label, run, checkpointer=checkpointer)
    if setup.batch:
        done = replace(done, contents=contents)
    else:
        write_run(contents, folder)
        done = replace(done, folder=folder)
    record = result.record
    if record["stopped_early"]:
        steps = f"{record['last_step']:,} of {record['total_steps']:,}"
        print(f"stopped early at step {steps}: the run is {record['outcome']}")
    accuracy = record["final"]["test_accuracy"]
    where = folder if done.folder else order.label
    print(f"{where}: test accuracy {'none' if accuracy is None else f'{accuracy:.2%}'}, outcome {record['outcome']}")
    return done


def _find_finished(run: str, folder: Path, setup: Setup) -> Done | None:
    """A run that is whole where it would go. Raises AsgdError for one in a folder that is damaged."""
    if setup.batch:
        contents = _read_finished(setup.batch).get(run)
        return Done("", run, contents=contents) if contents else None
    if folder.name != run or not is_finished(folder):
        return None
    read_run(folder)
    return Done("", run, folder)


def train_orders(orders: Sequence[Order], setup: Setup | None = None, jobs: int = 1) -> list[Path]:
    """Train the runs of ``orders`` in ``jobs`` processes, but for those that are finished.

    Returns their folders, or the batch that they are in.

    One that fails stops no other; AsgdError names those that failed at the end. Checkpoints are kept until all results
    are written, because Snakemake deletes the results of a job that it starts again: the finished runs of a batch that
    was killed cost nothing then.
    """
    setup = setup or Setup()
    if setup.batch and (other := next((one for one in orders if one.run.execution != "simulated"), None)):
        raise AsgdError(f"{setup.batch}: a batch has simulated runs only; give {other.label} a folder")
    _forget_data()
    if jobs > 1:
        for data in dict.fromkeys(order.data for order in orders):
            prepare_data(data, setup.data_root)  # once, before the processes ask for them together
    console = open_console(sys.stderr)
    has_bar = jobs > 1 and can_show_bar(console)
    found = []
    with open_bar(console, has_bar, "{task.fields[failed]:,} failed") as bar:
        task = bar.add_task("runs", total=len(orders), failed=0)
        for one in map_processes(partial(_try_order, setup=setup, is_quiet=has_bar), orders, jobs):
            found.append(one)
            bar.update(task, advance=1, failed=sum(bool(each.error) for each in found))
            bar.console.print(one.said, end="", soft_wrap=True)
    if failed := [one for one in found if one.error]:
        names = ", ".join(str(_log_of(one.label, setup) or one.label) for one in failed)
        raise AsgdError(f"{len(failed)} of {len(orders)} runs failed: {names} ({failed[0].error})")
    if setup.batch:
        write_batch({one.run: one.contents for one in found if one.contents}, setup.batch)
    for one in found:
        if one.checkpointer:
            one.checkpointer.discard()
    return [setup.batch] if setup.batch else [one.folder for one in found if one.folder]


def _try_order(order: Order, setup: Setup, is_quiet: bool = False) -> Done:
    if is_quiet:  # the terminal has one bar, of the process that started this one
        with redirect_stdout(io.StringIO()) as said, redirect_stderr(io.StringIO()) as told:
            done = _try_order(order, setup)
        messages = [line for line in told.getvalue().splitlines(keepends=True) if line.startswith("asgd: ")]
        return replace(done, said="".join([said.getvalue(), *messages]))
    log = _log_of(order.label, setup)
    if log:
        print(f"{order.label}: see {log}", flush=True)  # the last line, should the process be killed
    elif setup.batch:
        print(f"{order.label}{BEGINS}", flush=True)
    try:
        with log_output(log):
            return _train_order(order, setup, again=False)
    except AsgdError as error:
        print_error(f"{order.label}: {error}")
        return Done(order.label, error=str(error))


def _log_of(label: str, setup: Setup) -> Path | None:
    return setup.logs / f"{label}.log" if setup.logs else None


@cache
def _read_finished(batch: Path) -> Mapping[str, Contents]:
    """The contents of the runs in ``batch`` that are whole; none of a file that is not there, or is no batch."""
    if not batch.exists():
        return {}
    with suppress(AsgdError), Batch(batch) as file:
        return {run: file.read_contents(run) for run in file.read_sound()}
    return {}


@cache
def _open_data(data: DataConfig, root: Path) -> Dataset:
    """The images, prepared if they are not; the runs of a process share them."""
    return load_data(prepare_data(data, root))


@cache
def _name_data(data: DataConfig, root: Path) -> str:
    return source_fingerprint(data, root)


def _forget_data() -> None:
    """What runs share they share within one call: by the next the images, or the folder that paths start from, may be
    others."""
    for function in (_open_data, _name_data, _read_finished):
        function.cache_clear()


def read_orders(path: Path) -> list[Order]:
    """The orders in ``path`` (-: standard input), a JSON object in each line that is not blank.

    Raises AsgdError that names the file and the line.
    """
    name, text = read_input(path)
    orders: list[Order] = []
    places: dict[str, int] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        where = f"{name}, line {number}"
        order = validate(Order, parse_object(line, where), where)
        if order.out and places.setdefault(order.out, number) != number:
            raise AsgdError(f"{where}: line {places[order.out]} has out = {order.out!r} too; name another folder")
        orders.append(order)
    if not orders:
        raise AsgdError(f"{name}: describes no run; write a JSON object in each line")
    return orders
