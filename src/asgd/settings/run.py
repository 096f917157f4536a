"""A run: everything that decides its result but the images, and the name that follows from it."""

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator
from pydantic.fields import FieldInfo

from asgd.settings.probes import ProbeConfig, list_probes
from asgd.settings.validation import StrictModel

#: Closer to 1 the engines, with single precision and 16-bit dropout masks, would round it to 1.
Probability = Annotated[float, Field(ge=0, le=0.99999)]

Seed = Annotated[int, Field(ge=0, le=2**63 - 1)]

#: The most evaluations of a run: each is a row of metrics.csv and of the tables.
MOST_EVALUATIONS = 1_000_000

_NEVER = object()

#: Stands in the name of a run that has probes, so that the name tells which files the run has.
PROBED = "-probed"

_PROBES_EXAMPLE = '{"sharpness": {"epochs": [0, 1]}}'


def parameter(
    default: Any,
    *,
    description: str,
    symbol: str = "",
    unit: str = "",
    words: Mapping[str, str] | None = None,
    kind_of: str = "",
    as_before: Any = _NEVER,
    **limits: Any,
) -> Any:
    """A run parameter, and all that is said of it anywhere: flags, reference, labels and tables take it from here.

    ``symbol``: what a label calls it (default: its name); ``unit``: of its values; ``words``: what a label says for a
    value, by the value as text, instead of ``symbol = value``; ``kind_of``: the parameter of which it says the kind,
    and without which (at 0) it means nothing. ``as_before``: for a parameter added after runs were named, the value
    that means what they did; at it the parameter is left out of their hash. It is written out, and never taken from
    ``default``: if the default changed, old results would pass for new ones.
    """
    about: dict[str, Any] = {"symbol": symbol, "unit": unit, "words": dict(words or {}), "kind_of": kind_of}
    about |= {} if as_before is _NEVER else {"as_before": as_before}
    return Field(default, description=description, json_schema_extra=about, **limits)


def _as_before(field: FieldInfo) -> Any:
    """The value at which a key is left out of the hash; for a key of the first runs none is."""
    extra = field.json_schema_extra
    return extra.get("as_before", _NEVER) if isinstance(extra, dict) else _NEVER


class RunConfig(StrictModel):
    """One training job: everything that decides its result, but for the images. Keys are the flags of `asgd train`."""

    num_workers: int = parameter(
        1, ge=1, le=10_000_000, symbol="m", description="m, the number of workers; the staleness is m - 1 (Section II)"
    )
    momentum: Probability = parameter(
        0.0,
        symbol="b",
        words={"0": "no momentum"},
        description="b, the decay of the velocity; 0 is plain SGD (Section III-B)",
    )
    momentum_where: Literal["server", "worker"] = parameter(
        "server",
        kind_of="momentum",
        words={"server": "server", "worker": "worker"},
        description="who keeps a velocity: the server one for all, or each worker its own",
    )
    momentum_convention: Literal["pytorch", "ema"] = parameter(
        "pytorch",
        kind_of="momentum",
        words={"pytorch": "PyTorch", "ema": "EMA"},
        description="pytorch: v = b v + g; ema: v = b v + (1 - b) g",
    )
    dropout: Probability = parameter(
        0.0, symbol="p", description="p, dropout rate on the two hidden fully connected layers (Figure 3)"
    )
    output_relu: bool = parameter(
        True,
        words={"False": "plain logits", "True": "ReLU on logits"},
        description="whether a ReLU follows the logits too, as the text says literally",
    )
    pools: Literal[1, 2] = parameter(
        2,
        words={"1": "one pooling", "2": "two poolings"},
        description="max-pooling after the first convolution only, or after both",
    )
    learning_rate: float = parameter(0.01, ge=1e-30, le=1e30, symbol="rate", description="eta; the paper gives none")
    batch_size: int = parameter(
        4, ge=1, le=10_000_000, unit="images", description="images in a mini-batch (Section II: 4)"
    )
    epochs: float = parameter(
        1.0,
        gt=0,
        le=1_000_000,
        unit="passes over the training set",
        description="passes over the training set; the paper gives no number",
    )
    steps: int | None = parameter(
        None, ge=1, le=10**12, unit="server steps", description="server steps; if set, it replaces `epochs`"
    )
    evaluations_per_epoch: int = parameter(4, ge=1, le=100_000, description="evaluations on the test set in an epoch")
    train_eval_images: int = parameter(
        2000,
        ge=0,
        le=10_000_000,
        unit="images",
        description="training images (the first of each class, in turn) evaluated without dropout beside the test set",
    )
    engine: Literal["auto", "fused", "reference"] = parameter(
        "auto", description="the simulator; auto takes fused on the CPU, reference on another device"
    )
    device: str = parameter(
        "cpu", pattern="^(cpu|cuda(:[0-9]+)?)$", description="PyTorch device of the reference engine"
    )
    probes: dict[str, ProbeConfig] = parameter(
        {},
        as_before={},
        description=f"what is measured along the way (probes.csv), and when, as in {_PROBES_EXAMPLE}",
    )
    seed: Seed = parameter(0, description="seed of all streams of the run")

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
            raise ValueError(f"'{unknown[0]}' is no probe; these are {', '.join(known)}")
        # A number of images without effect is left out, so that two ways to write a run share one folder.
        blind = {name: {} if known[name].images else {"num_images": None} for name in sorted(probes)}
        return {name: probes[name].model_copy(update=update) for name, update in blind.items()}

    @field_validator("dropout")
    @classmethod
    def _refuse_no_dropout(cls, value: float) -> float:
        if 0 < value < 1e-5:
            raise ValueError(f"{value!r} is rounded to 0, for masks are 16 bits; give 0 or at least 0.00001")
        return value

    @model_validator(mode="after")
    def _limit_evaluations(self) -> "RunConfig":
        if self.steps is None and self.epochs * self.evaluations_per_epoch > MOST_EVALUATIONS:
            raise ValueError(
                f"epochs = {self.epochs:g} with evaluations_per_epoch = {self.evaluations_per_epoch:,} are more than "
                f"{MOST_EVALUATIONS:,} evaluations; take fewer"
            )
        return self

    @model_validator(mode="after")
    def _limit_probes(self) -> "RunConfig":
        for name, probe in self.probes.items():
            if self.steps is None and any(epoch > self.epochs for epoch in probe.epochs):
                raise ValueError(f"probes.{name}: epoch {probe.epochs[-1]:g} is after the run's end, {self.epochs:g}")
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
        return self

    def resolved_engine(self) -> tuple[str, str]:
        """The engine that `auto` stands for, and why: by the configuration alone, never by the machine."""
        if self.engine != "auto":
            return self.engine, "asked for"
        if self.device != "cpu":
            return "reference", f"fused runs on the CPU only, and the device is {self.device}"
        return "fused", "the fastest on the CPU"

    def hashed(self) -> dict[str, Any]:
        """What identifies the run: its keys, with the engine resolved.

        A key that came after the first runs is left out at the value that means what they did (``as_before``), so that
        they keep their names.
        """
        values = {**self.model_dump(), "engine": self.resolved_engine()[0]}
        return {key: value for key, value in values.items() if value != _as_before(type(self).model_fields[key])}

    def arm(self) -> str:
        """A short name of the arm: a hash of everything but the seed."""
        return _hash({key: value for key, value in self.hashed().items() if key != "seed"})[:8]

    def slug(self) -> str:
        """A name for people; only the hash that follows it in a folder's name tells runs apart."""
        momentum = f"-b{self.momentum!r}-{self.momentum_where}-{self.momentum_convention}" if self.momentum else ""
        dropout = f"-p{self.dropout!r}" if self.dropout else ""
        probed = PROBED if self.probes else ""
        return f"m{self.num_workers}{momentum}{dropout}-lr{self.learning_rate!r}-seed{self.seed}{probed}"

    @classmethod
    def later_keys(cls) -> dict[str, Any]:
        """The keys that came after the first runs, each with the value that means what those did."""
        found = {key: _as_before(field) for key, field in cls.model_fields.items()}
        return {key: value for key, value in found.items() if value is not _NEVER}


class Run(StrictModel):
    """A run of the study: its configuration and its folder's name (slug and hash of configuration, data, sources)."""

    config: RunConfig
    name: str

    @staticmethod
    def identify(config: RunConfig, data_fingerprint: str, source_fingerprint: str) -> "Run":
        """The run of ``config`` on the data and by the sources with these fingerprints (hex digits)."""
        key = {"config": config.hashed(), "data": data_fingerprint, "sources": source_fingerprint}
        return Run(config=config, name=f"{config.slug()}-{_hash(key)[:12]}")


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
