"""A run: everything that decides its result but the images, and the name that follows from it."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Real
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from asgd.settings.choice import Members, check_choice, check_needs, is_file, name_choice
from asgd.settings.execution import ExecutionKeys
from asgd.settings.keys import Keys, find_later, parameter
from asgd.settings.network import NetworkKeys, list_networks
from asgd.settings.policy import PolicyKeys, list_policies
from asgd.settings.probes import ProbeConfig, list_probes
from asgd.settings.schedule import ScheduleKeys, list_schedules
from asgd.settings.update import UpdateKeys, list_updates

#: Closer to 1 the engines, with single precision and 16-bit dropout masks, would round it to 1.
Probability = Annotated[float, Field(ge=0, le=0.99999)]

Seed = Annotated[int, Field(ge=0, le=2**63 - 1)]


def _read_batch_size(value: Any) -> Any:
    number = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
    if number == "full" or (isinstance(number, int) and 1 <= number <= _MOST_IMAGES):
        return number
    raise PydanticCustomError("batch_size", "must be a whole number from 1 to 10,000,000, or full")


_MOST_IMAGES = 10_000_000

#: Images in a mini-batch.
BatchSize = Annotated[int | Literal["full"], BeforeValidator(_read_batch_size)]


def _read_evaluations(value: Any) -> Any:
    if type(value) is not bool and isinstance(value, Real):  # of a table too, as NumPy has it
        number = float(value)
        if number.is_integer() and 1 <= number <= 100_000:
            return int(number)
        if 0 < number < 1:
            return number
    raise PydanticCustomError("evaluations", "must be a whole number from 1 to 100,000, or a fraction below 1")


#: Evaluations in an epoch. A whole number but where an epoch is one gradient, or a few: its type is that of the names.
EvaluationRate = Annotated[int, PlainValidator(_read_evaluations), PlainSerializer(lambda number: number)]

#: The most real workers.
MOST_PROCESSES = 1000

#: The most evaluations of a run: each is a row of metrics.csv and of the tables.
MOST_EVALUATIONS = 1_000_000

#: Stands in the name of a run that has probes, so that the name tells which files the run has.
PROBED = "-probed"

#: The same of a run with real workers, and of its replay.
REAL, REPLAYED = "-real", "-replayed"

_PROBES_EXAMPLE = '{"sharpness": {"epochs": [0, 1]}}'


class TrainingKeys(Keys):
    """Workers, momentum and training."""

    num_workers: int = parameter(
        1,
        ge=1,
        le=10_000_000,
        symbol="m",
        description="m, the number of workers; with m workers in turn the staleness is m - 1 (Section II)",
    )
    momentum: Probability = parameter(
        0.0,
        symbol="b",
        words={"0": "no momentum"},
        description="b, the factor by which the velocity decays; 0: plain SGD (Section III-B)",
    )
    momentum_where: Literal["server", "worker"] = parameter(
        "server",
        kind_of="momentum",
        words={"server": "server", "worker": "worker"},
        description="where the velocity is kept: one at the server, or one at each worker",
    )
    momentum_convention: Literal["pytorch", "ema"] = parameter(
        "pytorch",
        kind_of="momentum",
        words={"pytorch": "PyTorch", "ema": "EMA"},
        description="pytorch: v = b v + g; ema: v = b v + (1 - b) g",
    )
    dropout: Probability = parameter(
        0.0, symbol="p", description="p, the dropout rate of the two hidden fully connected layers (Figure 3)"
    )
    output_relu: bool = parameter(
        True,
        words={"False": "plain logits", "True": "ReLU on logits"},
        description="whether a ReLU follows the last layer too, as the paper says",
    )
    pools: Literal[1, 2] = parameter(
        2,
        words={"1": "one pooling", "2": "two poolings"},
        description="1: max-pooling after the first convolution only; 2: after both convolutions",
    )
    learning_rate: float = parameter(
        0.01, ge=1e-30, le=1e30, symbol="rate", description="eta; the paper does not state it"
    )
    batch_size: BatchSize = parameter(
        4,
        unit="images",
        description="images in a mini-batch (Section II: 4); full: all training images",
    )
    num_images: int | None = parameter(
        None,
        as_before=None,
        ge=1,
        le=10_000_000,
        unit="images",
        description="number of training images, taken in turn from the classes (default: all)",
    )
    epochs: float = parameter(
        1.0,
        gt=0,
        le=1_000_000,
        unit="passes over the training set",
        description="passes over the training set; the paper does not state the number",
    )
    steps: int | None = parameter(
        None,
        ge=1,
        le=10**12,
        unit="gradients",
        description="length of the run in gradients, instead of `epochs`",
    )
    evaluations_per_epoch: EvaluationRate = parameter(
        4, description="evaluations on the test set per epoch; a fraction: less than one per epoch"
    )
    train_eval_images: int = parameter(
        2000,
        ge=0,
        le=10_000_000,
        unit="images",
        description="number of training images on which the loss is evaluated too, without dropout",
    )
    engine: Literal["auto", "fused", "reference"] = parameter(
        "auto", description="the simulator; auto: fused if it supports the other settings, else reference"
    )
    device: str = parameter(
        "cpu", pattern="^(cpu|cuda(:[0-9]+)?)$", description="PyTorch device of the reference engine, as cpu or cuda:0"
    )
    probes: dict[str, ProbeConfig] = parameter(
        {},
        as_before={},
        description=f"what to measure during the run (probes.csv), and when, as in {_PROBES_EXAMPLE}",
    )
    seed: Seed = parameter(0, description="seed of all random numbers of the run")


#: The keys that name a member, and what finds these.
_CHOICES: dict[str, Members] = {
    "schedule": list_schedules,
    "policy": list_policies,
    "update": list_updates,
    "network": list_networks,
}


class RunConfig(ExecutionKeys, NetworkKeys, UpdateKeys, PolicyKeys, ScheduleKeys, TrainingKeys):
    """One training job: everything that decides its result except the images. Keys are the flags of `asgd train`."""

    @field_validator(*_CHOICES)
    @classmethod
    def _check_choice(cls, name: str, info: ValidationInfo) -> str:
        key = str(info.field_name)
        return check_choice(key, name, _CHOICES[key])

    @field_validator("probes", mode="before")
    @classmethod
    def _read_probes(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)  # of a flag, or a table's cell
        except ValueError as error:
            raise ValueError(f"{value!r} is not JSON ({error}); write it as in {_PROBES_EXAMPLE}") from None

    @field_validator("probes")
    @classmethod
    def _check_probes(cls, probes: dict[str, ProbeConfig]) -> dict[str, ProbeConfig]:
        known = list_probes() if probes else {}
        if unknown := sorted(probes.keys() - known.keys()):
            raise ValueError(f"'{unknown[0]}' is not a probe; give one of {', '.join(known)}")
        # A number of images without effect is left out, so that two ways to write a run share one folder.
        blind = {name: {} if known[name].images else {"num_images": None} for name in sorted(probes)}
        return {name: probes[name].model_copy(update=update) for name, update in blind.items()}

    @field_validator("dropout")
    @classmethod
    def _refuse_no_dropout(cls, value: float) -> float:
        if 0 < value < 1e-5:
            raise ValueError(f"{value!r} would be rounded to 0, because masks have 16 bits; give 0 or at least 0.00001")
        return value

    @model_validator(mode="after")
    def _limit_evaluations(self) -> "RunConfig":
        if self.steps is None and self.epochs * self.evaluations_per_epoch > MOST_EVALUATIONS:
            raise ValueError(
                f"epochs = {self.epochs:g} with evaluations_per_epoch = {self.evaluations_per_epoch:,} give more than "
                f"{MOST_EVALUATIONS:,} evaluations; take fewer"
            )
        return self

    @model_validator(mode="after")
    def _limit_probes(self) -> "RunConfig":
        for name, probe in self.probes.items():
            if self.steps is None and any(epoch > self.epochs for epoch in probe.epochs):
                raise ValueError(
                    f"probes.{name}: epoch {probe.epochs[-1]:g} is after the end of the run, {self.epochs:g}"
                )
        return self

    @model_validator(mode="after")
    def _canonical(self) -> "RunConfig":
        if self.engine == "fused" and self.device != "cpu":
            raise ValueError(f"engine = 'fused' runs on the CPU only, not on {self.device}; use reference or auto")
        # Settings without effect take their default, so that two ways to write a run share one folder.
        if self.dropout == 0:
            object.__setattr__(self, "dropout", 0.0)  # and not -0.0
        if self.momentum == 0:
            object.__setattr__(self, "momentum", 0.0)
            object.__setattr__(self, "momentum_where", "server")
            object.__setattr__(self, "momentum_convention", "pytorch")
        if self.steps is not None:
            object.__setattr__(self, "epochs", 1.0)
        if self.network != "paper":  # those two are readings of the paper's
            object.__setattr__(self, "pools", 2)
            object.__setattr__(self, "output_relu", True)
        return self

    @model_validator(mode="after")
    def _check_choices(self) -> "RunConfig":
        self._check_execution()
        # Real workers come when they come, so what needs random times has them.
        timed = self.execution != "simulated" or (self.schedule == "replay" and not self.cancel)
        for key in self.list_choices():
            check_needs(self, key, _CHOICES[key], {"schedule"} if timed else set())
        if self.policy == "synchronous" and self.backups >= self.num_workers:
            raise ValueError(f"backups = {self.backups}: the server waits for none of {self.num_workers} workers")
        if self.stop and self.schedule == "replay":
            raise ValueError("stop = True would change the recorded order of schedule = replay; leave it out")
        if self.averages and not is_file(self.update) and list_updates()[self.update].by_staleness:
            raise ValueError(f"policy = {self.policy} has no stale gradients, so update = {self.update} does nothing")
        if self.network != "paper" and self.dropout:
            raise ValueError(f"network = {self.network} has no dropout, so dropout = {self.dropout} does nothing")
        if self.engine == "fused" and (lacks := self.fused_lacks):
            raise ValueError(f"engine = 'fused' does not support {lacks}; use reference or auto")
        return self

    def _check_execution(self) -> None:
        if self.execution == "simulated":
            return
        if self.schedule != "round_robin":
            raise ValueError(
                f"execution = {self.execution} records its own schedule; leave schedule = {self.schedule} out"
            )
        if self.stop:
            raise ValueError("stop = True: the computation of a real gradient cannot be stopped; leave it out")
        if self.policy == "synchronous" and self.cancel:
            raise ValueError(
                "policy = synchronous: the computation of a real gradient cannot be stopped; give cancel = false"
            )
        if self.num_workers > MOST_PROCESSES:
            raise ValueError(f"num_workers = {self.num_workers}: at most {MOST_PROCESSES} workers can be real")

    def with_seed(self, seed: int) -> "RunConfig":
        """The run of the same arm with this seed, which must be a ``Seed``: no other key's limits depend on it."""
        return self if seed == self.seed else self.model_copy(update={"seed": seed})

    def recorded_run(self) -> "RunConfig":
        """The run with real workers whose recording this run replays."""
        return self.model_copy(update={"execution": "real"})

    @property
    def averages(self) -> bool:
        """Whether a step is the mean of several gradients."""
        return not is_file(self.policy) and list_policies()[self.policy].averages

    @property
    def fused_lacks(self) -> str:
        """What the fused engine cannot do of what is asked; empty if nothing."""
        for key, name in self.list_choices().items():  # it has those of the paper
            if is_file(name) or not getattr(_CHOICES[key]()[name], "fused", True):
                return f"{key} = {name}"
        return ""

    def resolved_engine(self) -> tuple[str, str]:
        """The engine that `auto` stands for, and why: by the configuration alone, never by the machine."""
        if self.engine != "auto":
            return self.engine, "asked for"
        if self.device != "cpu":
            return "reference", f"fused runs on the CPU only, and the device is {self.device}"
        if lacks := self.fused_lacks:
            return "reference", f"fused has no {lacks}"
        return "fused", "the fastest on the CPU"

    def hashed(self) -> dict[str, Any]:
        """What identifies the run: its keys, with the engine resolved.

        A key that came after the first runs is left out at the value that means what they did (``as_before``), so that
        they keep their names.
        """
        values = {**self.model_dump(), "engine": self.resolved_engine()[0]}
        later = find_later(type(self))
        return {key: value for key, value in values.items() if key not in later or value != later[key]}

    def arm(self) -> str:
        """A short name of the arm: a hash of everything but the seed."""
        return _hash({key: value for key, value in self.hashed().items() if key != "seed"})[:8]

    def slug(self) -> str:
        """A name for people; only the hash that follows it in a folder's name tells runs apart."""
        return str(self.seed).join(self._slug_around_seed())

    def _slug_around_seed(self) -> tuple[str, str]:
        momentum = f"-b{self.momentum!r}-{self.momentum_where}-{self.momentum_convention}" if self.momentum else ""
        dropout = f"-p{self.dropout!r}" if self.dropout else ""
        chosen = "".join(f"-{name_choice(name)}" for name in self.list_choices().values())
        probed = {"real": REAL, "replayed": REPLAYED}.get(self.execution, "") + (PROBED if self.probes else "")
        return f"m{self.num_workers}{momentum}{dropout}{chosen}-lr{self.learning_rate!r}-seed", probed

    @staticmethod
    def choices() -> tuple[str, ...]:
        """The keys that name a member: schedule, policy, update and network."""
        return tuple(_CHOICES)

    def list_choices(self) -> dict[str, str]:
        """Schedule, policy, update and network, by key, where they are others than those of the paper."""
        later = find_later(type(self))
        return {key: name for key in _CHOICES if (name := getattr(self, key)) != later[key]}

    @classmethod
    def later_keys(cls) -> dict[str, Any]:
        """The keys that came after the first runs, each with the value that means what those did."""
        return dict(find_later(cls))


@dataclass(frozen=True, slots=True)
class Run:
    """A run of the study: its configuration and its folder's name (slug and hash of configuration, data, sources)."""

    config: RunConfig
    name: str

    @staticmethod
    def identify(config: RunConfig, data_fingerprint: str, source_fingerprint: str) -> "Run":
        """The run of ``config`` on the data and by the sources with these fingerprints (hex digits)."""
        return Run.identify_arm(config, [config.seed], data_fingerprint, source_fingerprint)[0]

    @staticmethod
    def identify_arm(
        arm: RunConfig, seeds: Iterable[int], data_fingerprint: str, source_fingerprint: str
    ) -> list["Run"]:
        """The runs of the arm of ``arm`` with each of ``seeds``: what their names share is written and hashed once."""
        # Hashed is {"config": {..., "seed": 0, ...}, "data": "...", "sources": "..."} as JSON, keys in order.
        config = arm.hashed()
        before = {"config": {key: value for key, value in config.items() if key < "seed"}}
        after: dict[str, Any] = {"config": {key: value for key, value in config.items() if key > "seed"}}
        after |= {"data": data_fingerprint, "sources": source_fingerprint}
        begun = hashlib.sha256(f'{_write(before).removesuffix("}}")}, "seed": '.encode())
        rest = f", {_write(after).removeprefix(_CONFIG)}"
        start, end = arm._slug_around_seed()
        runs = []
        for seed in seeds:
            sha = begun.copy()
            sha.update(f"{seed}{rest}".encode())
            runs.append(Run(arm.with_seed(seed), f"{start}{seed}{end}-{sha.hexdigest()[:12]}"))
        return runs


_write = json.JSONEncoder(sort_keys=True).encode
_CONFIG = '{"config": {'


def _hash(value: Any) -> str:
    return hashlib.sha256(_write(value).encode()).hexdigest()
