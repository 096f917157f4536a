"""The typed configuration: the one reader of ``params.yaml``, and the expansion of experiments into runs.

Every model forbids unknown keys, so a typo is an error and never a silent default. Nothing heavy is imported here:
Snakemake reads it at every start.
"""

import hashlib
import itertools
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo

from asgd.characters import find_unprintable
from asgd.errors import AsgdError
from asgd.plain_yaml import read_yaml

ModelType = TypeVar("ModelType", bound=BaseModel)
#: Closer to 1 the engines, with single precision and 16-bit dropout masks, would round it to 1.
Probability = Annotated[float, Field(ge=0, le=0.99999)]
Seed = Annotated[int, Field(ge=0, le=2**63 - 1)]

#: The most evaluations of a run: each is a row of metrics.csv and of the tables.
MOST_EVALUATIONS = 1_000_000

_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,98}[A-Za-z0-9_])?")
_NAME_RULE = "use at most 100 letters, digits and '_', with '-' and '.' only inside"
#: What lies in results/ beside the folders of the presets.
_TAKEN = ("runs", "kept", "checkpoints", "benchmark.json")
#: The editions of the decision rules (`asgd.claims`).
EditionName = Literal["first"]


class Model(BaseModel):
    """Base of all configuration models: frozen, unknown keys refused, numbers never taken from strings."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _refuse_other_kinds(cls, values: Any) -> Any:
        # Pydantic takes true for 1, 1 for true and "0.5" for 0.5: each is a slip that a run should not hide. YAML 1.1
        # reads 1e-3 as text; to accept it here and not elsewhere would hide the difference.
        for key, value in values.items() if isinstance(values, Mapping) else ():
            kinds = _kinds_of(cls, key)
            for part in value if isinstance(value, (list, tuple)) else [value]:
                if isinstance(part, str) and kinds & {int, float} and str not in kinds and _is_number(part):
                    raise ValueError(f"{key} is the text '{part}'; write it as a plain number, {_as_yaml(part)}")
                if isinstance(part, bool) and kinds & {int, float} and bool not in kinds:
                    raise ValueError(f"{key} is {str(part).lower()}; write a number")
                if type(part) in (int, float, str) and kinds == {bool}:
                    raise ValueError(f"{key} is {part!r}; write true or false")
        return values


@cache
def _kinds_of(model: type[BaseModel], key: str) -> frozenset[type]:
    return _kinds(model.model_fields[key].annotation) if key in model.model_fields else frozenset()


def _kinds(annotation: Any) -> frozenset[type]:
    """The plain types in ``annotation``, those of a list's values too; nothing where it says nothing of them."""
    if get_origin(annotation) is Literal:
        return frozenset(type(value) for value in get_args(annotation))
    if get_origin(annotation) is Annotated:
        return _kinds(get_args(annotation)[0])
    if get_origin(annotation) is dict or annotation is Any:
        return frozenset()
    if parts := get_args(annotation):
        return frozenset().union(*map(_kinds, parts)) - {type(None)}
    return frozenset({annotation}) if isinstance(annotation, type) else frozenset()


class DataConfig(Model):
    """Where the images come from."""

    source: Literal["cifar10", "image_folder", "synthetic"] = Field(
        "cifar10",
        description="cifar10: the official archive, downloaded and verified; image_folder: a folder or tar archive of "
        "train/<class>/* and test/<class>/*, 32x32 RGB; synthetic: drawn by a seeded generator, no network",
    )
    path: str | None = Field(
        None,
        min_length=1,
        description="the image folder or archive; for cifar10, a copy of the official archive already on disk",
    )
    sha256: str | None = Field(
        None, pattern="^[0-9a-f]{64}$", description="expected SHA-256 of the archive at `path`; a mismatch is an error"
    )
    num_train: int = Field(
        4000, gt=0, le=1_000_000, multiple_of=10, description="synthetic only: number of training images"
    )
    num_test: int = Field(1000, gt=0, le=1_000_000, multiple_of=10, description="synthetic only: number of test images")
    seed: Seed = Field(0, description="synthetic only: seed of the generator")

    @model_validator(mode="after")
    def _check_path(self) -> "DataConfig":
        if self.source == "image_folder" and self.path is None:
            raise ValueError("path is missing: source image_folder needs the folder or the tar archive")
        return self


_NEVER = object()


def later_field(default: Any, *, as_before: Any, **about: Any) -> Any:
    """A key of `RunConfig` that is added after runs were named: ``as_before`` is the value that means what they did.

    It is written out, and never taken from ``default``: if the default changed, old results would pass for new ones.
    """
    return Field(default, json_schema_extra={"as_before": as_before}, **about)


def _as_before(field: FieldInfo) -> Any:
    """The value at which a key is left out of the hash; for a key of the first runs none is."""
    extra = field.json_schema_extra
    return extra.get("as_before", _NEVER) if isinstance(extra, dict) else _NEVER


class RunConfig(Model):
    """One training job: everything that decides its result, but for the images. Keys are the flags of `asgd train`."""

    num_workers: int = Field(
        1, ge=1, le=10_000_000, description="m, the number of workers; the staleness is m - 1 (Section II)"
    )
    momentum: Probability = Field(0.0, description="b, the decay of the velocity; 0 is plain SGD (Section III-B)")
    momentum_where: Literal["server", "worker"] = Field(
        "server", description="who keeps a velocity: the server one for all, or each worker its own"
    )
    momentum_convention: Literal["pytorch", "ema"] = Field(
        "pytorch", description="pytorch: v = b v + g; ema: v = b v + (1 - b) g"
    )
    dropout: Probability = Field(0.0, description="p, dropout rate on the two hidden fully connected layers (Figure 3)")
    output_relu: bool = Field(True, description="whether a ReLU follows the logits too, as the text says literally")
    pools: Literal[1, 2] = Field(2, description="max-pooling after the first convolution only, or after both")
    learning_rate: float = Field(0.01, ge=1e-30, le=1e30, description="eta; the paper gives none")
    batch_size: int = Field(4, ge=1, le=10_000_000, description="images in a mini-batch (Section II: 4)")
    epochs: float = Field(
        1.0, gt=0, le=1_000_000, description="passes over the training set; the paper gives no number"
    )
    steps: int | None = Field(None, ge=1, le=10**12, description="server steps; if set, it replaces `epochs`")
    evaluations_per_epoch: int = Field(4, ge=1, le=100_000, description="evaluations on the test set in an epoch")
    train_eval_images: int = Field(
        2000,
        ge=0,
        le=10_000_000,
        description="training images (the first of each class, in turn) evaluated without dropout beside the test set",
    )
    engine: Literal["auto", "fused", "reference"] = Field(
        "auto", description="the simulator; auto takes fused on the CPU, reference on another device"
    )
    device: str = Field("cpu", pattern="^(cpu|cuda(:[0-9]+)?)$", description="PyTorch device of the reference engine")
    seed: Seed = Field(0, description="seed of all streams of the run")

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
        return f"m{self.num_workers}{momentum}{dropout}-lr{self.learning_rate!r}-seed{self.seed}"


class Run(Model):
    """A run of the study: its configuration and its folder's name (slug and hash of configuration, data, sources)."""

    config: RunConfig
    name: str

    @staticmethod
    def identify(config: RunConfig, data_fingerprint: str, source_fingerprint: str) -> "Run":
        """The run of ``config`` on the data and by the sources with these fingerprints (hex digits)."""
        key = {"config": config.hashed(), "data": data_fingerprint, "sources": source_fingerprint}
        return Run(config=config, name=f"{config.slug()}-{_hash(key)[:12]}")


def _refuse_repetition(values: list[Any] | None) -> list[Any] | None:
    if values and _has_repetition(values):
        raise ValueError(f"a value stands twice in {_shorten(values)}; keep one")
    return values


def _has_repetition(values: Sequence[Any]) -> bool:
    return len(values) != len({json.dumps(_plain(value), sort_keys=True) for value in values})


def _plain(value: Any) -> Any:
    """``value`` with 1 and 1.0 alike."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


class Experiment(Model):
    """A named product over run parameters: every key may be a value or a list; `variants` couples keys."""

    model_config = ConfigDict(extra="allow")

    description: str = Field("", description="what it is for")
    variants: list[dict[str, Any]] = Field(
        [{}],
        min_length=1,
        description="settings that go together, as one more axis of the product",
    )
    seeds: list[Seed] | None = Field(None, min_length=1, description="its own seeds; by default those of the preset")

    _distinct_seeds = field_validator("seeds")(_refuse_repetition)

    @property
    def axes(self) -> dict[str, list[Any]]:
        """The values of each key of the product; ``variants`` and seeds are further axes."""
        return {key: _as_list(value) for key, value in (self.model_extra or {}).items()}

    @model_validator(mode="after")
    def _check_axes(self) -> "Experiment":
        for key, values in self.axes.items():
            if not values:
                raise ValueError(f"{key}: the list is empty; give at least one value")
            if _has_repetition(values):
                raise ValueError(f"{key}: a value stands twice in {_shorten(values)}; keep one")
        if _has_repetition(self.variants):
            raise ValueError(f"variants: one stands twice in {_shorten(self.variants)}; keep one")
        coupled = {key for variant in self.variants for key in variant}
        if both := sorted(coupled & self.axes.keys()):
            raise ValueError(f"{both[0]} is an axis and stands in variants too, which would replace it; keep one")
        if "seed" in coupled | self.axes.keys():
            raise ValueError("seed: every run has a seed of its own; give the seeds in `seeds`")
        return self

    def count(self, seeds: Sequence[int]) -> int:
        """How many runs ``expand`` yields, without expanding."""
        return math.prod(map(len, self.axes.values())) * len(self.variants) * len(self.seeds or seeds)

    def expand(self, where: str, base: Mapping[str, Any], seeds: Sequence[int]) -> Iterator[RunConfig]:
        """All runs, seeds innermost. Raises AsgdError naming ``where`` this stands and the key at fault."""
        axes = self.axes
        for combination in itertools.product(*axes.values()):
            for variant in self.variants:
                settings = {**base, **dict(zip(axes, combination, strict=True)), **variant}
                for seed in self.seeds or seeds:
                    yield validate(RunConfig, {**settings, "seed": seed}, where)


class Shipped(Model):
    """What of a preset's results is in git beside its tables, verdicts and figures, for `asgd verify` to miss."""

    report: bool = Field(True, description="whether report.pdf is")
    runs: str | None = Field(None, description="the file in `results/` that its runs are packed in (`asgd pack`)")
    readme: bool = Field(False, description="whether the README shows this study")


class SharpnessConfig(Model):
    """Where along which runs the sharpness is measured (table sharpness.csv)."""

    num_seeds: int = Field(3, ge=1, description="seeds: the first ones of the preset")
    num_workers: list[int] = Field([10, 30, 100], description="m measured beside m = 1, where the map has it")
    epochs: list[Annotated[float, Field(ge=0)]] = Field(
        [0, 0.25, 0.5, 1, 2, 3], min_length=1, description="when, ascending; those beyond a run's end are left out"
    )
    num_images: int = Field(500, ge=1, description="training images that the loss is taken over")

    @model_validator(mode="after")
    def _check_order(self) -> "SharpnessConfig":
        if self.epochs != sorted(set(self.epochs)):
            raise ValueError(f"epochs = {self.epochs}: give them in ascending order, each once")
        return self


class DeathConfig(Model):
    """How closely the runs that died are followed (tables death.csv and death_survey.csv)."""

    num_probes: int = Field(240, ge=1, description="probes along the one run that is dissected")
    survey_probes: int = Field(150, ge=1, description="probes along every run that died")
    num_images: int = Field(500, ge=1, description="test images for the logits, training images for the sharpness")
    sharpness_every: int = Field(
        10, ge=0, description="probes from one measurement of the sharpness to the next; 0: none"
    )


class AnalysesConfig(Model):
    """What the analyses beyond the claims measure; each trains a few runs again."""

    sharpness: SharpnessConfig = Field(default_factory=SharpnessConfig, description="the sharpness along training")
    death: DeathConfig = Field(default_factory=DeathConfig, description="how runs die")


class Preset(Model):
    """A complete study: data, what all runs share, seeds and experiments."""

    description: str = Field("", description="one line for the report")
    demonstration: bool = Field(False, description="whether the report must say that its results are not evidence")
    data: DataConfig = Field(description="where the images come from")
    run: dict[str, Any] = Field(default_factory=dict, description="run parameters that differ from their defaults")
    seeds: list[Seed] = Field(min_length=1, description="the seeds of every arm: runs of one seed are paired")
    experiments: dict[str, Experiment] = Field(min_length=1, description="the named sets of runs")
    # Of the preset, which DVC follows whole: a key of its own in dvc.yaml would have to stand in every params.yaml.
    analyses: AnalysesConfig = Field(
        default_factory=AnalysesConfig, description="what the analyses beyond the claims measure"
    )
    shipped: Shipped | None = Field(None, description="the results are in git, and `asgd verify` misses them if not")
    edition: EditionName | None = Field(
        None, description="edition of the decision rules that judges this study (default: that of `claims`)"
    )

    _distinct_seeds = field_validator("seeds")(_refuse_repetition)

    @field_validator("description")
    @classmethod
    def _check_description(cls, text: str) -> str:
        if unprintable := find_unprintable(text):
            raise ValueError(f"the report cannot print {unprintable}; write it in other words")
        return text

    @field_validator("run")
    @classmethod
    def _check_run(cls, run: dict[str, Any]) -> dict[str, Any]:
        if "seed" in run:
            raise ValueError("seed: give the seeds in `seeds`")
        return run

    @field_validator("experiments")
    @classmethod
    def _check_names(cls, experiments: dict[str, Experiment]) -> dict[str, Experiment]:
        for name in experiments:
            check_name(name, "an experiment")
        return experiments


class ClaimsConfig(Model):
    """The margins of the decision rules, fixed before the runs are looked at."""

    edition: EditionName = Field("first", description="edition of the decision rules; a preset may name another")
    confidence: float = Field(
        0.95, gt=0.5, lt=1, description="level of the intervals (C2 and TOST use 90 %: two one-sided 5 % tests)"
    )
    slow_workers: list[int] = Field([1, 10, 20, 30], min_length=2, description="C1, C4: the m compared")
    gap_workers: tuple[int, int] = Field((1, 10), description="C2: the pair of m compared")
    gap_points: tuple[float, float] = Field(
        (2.0, 8.0), description="C2: range that counts as 'about 5', points of accuracy"
    )
    gap_share: float = Field(
        0.9, gt=0.5, le=1, description="C2: share of evaluations after the first epoch that must lie inside"
    )
    fail_workers: int = Field(100, gt=1, description="C3, C5: the m that does not train")
    some_fail_workers: int = Field(70, gt=1, description="C3b: the m at which some runs fail")
    momentum: Probability = Field(
        0.9, gt=0, description="C4, C5: b of the runs with momentum that are compared with those without"
    )
    equivalence_points: float = Field(2.0, gt=0, description="C4, C6b: margin of 'no difference', points of accuracy")

    _distinct_workers = field_validator("slow_workers")(_refuse_repetition)

    @field_validator("slow_workers")
    @classmethod
    def _check_ascent(cls, workers: list[int]) -> list[int]:
        if workers != sorted(workers):
            raise ValueError(f"{workers}: give them in ascending order")
        return workers

    @field_validator("gap_workers", "gap_points")
    @classmethod
    def _check_order(cls, pair: tuple[float, float]) -> tuple[float, float]:
        if pair[0] >= pair[1]:
            raise ValueError(f"{list(pair)}: the first must be smaller than the second")
        return pair


class Params(Model):
    """All of params.yaml."""

    preset: str = Field(description="the preset to run")
    presets: dict[str, Preset] = Field(min_length=1, description="the studies, by name")
    claims: ClaimsConfig = Field(default_factory=ClaimsConfig, description="the margins of the decision rules")
    max_runs: int = Field(
        200_000, ge=1, description="the most runs that a preset may ask for: a product grows fast; raise it if need be"
    )

    @field_validator("presets")
    @classmethod
    def _check_names(cls, presets: dict[str, Preset]) -> dict[str, Preset]:
        for name in presets:
            check_name(name, "a preset")
            if name.lower() in _TAKEN:
                raise ValueError(f"'{name}' cannot be the name of a preset: results/{name} is something else's")
        return presets

    @model_validator(mode="after")
    def _check_preset(self) -> "Params":
        if self.preset not in self.presets:
            raise ValueError(f"preset '{self.preset}' does not exist; presets are {', '.join(self.presets)}")
        return self

    @model_validator(mode="after")
    def _take_edition(self) -> "Params":
        if edition := self.selected.edition:
            object.__setattr__(self, "claims", self.claims.model_copy(update={"edition": edition}))
        return self

    @property
    def selected(self) -> Preset:
        """The preset to run."""
        return self.presets[self.preset]

    @property
    def base(self) -> RunConfig:
        """The reference settings of the preset to run: what its `run` says, and defaults."""
        return validate(RunConfig, self.selected.run, f"presets.{self.preset}.run")


def load_params(path: str | Path = "params.yaml", preset: str | None = None) -> Params:
    """Read and validate ``params.yaml``; ``preset`` replaces the preset that it names.

    Raises AsgdError, in one line, for a missing file, bad YAML, an unknown key or a value out of range, in any preset.
    """
    values = read_yaml(path)
    if not isinstance(values, dict):
        raise AsgdError(f"{path}: is not a mapping of keys to values")
    if preset is not None:
        values["preset"] = preset
    params = validate(Params, values, str(path))
    for name, study in params.presets.items():
        count = sum(experiment.count(study.seeds) for experiment in study.experiments.values())
        if count > params.max_runs:
            raise AsgdError(
                f"{path}: presets.{name} asks for {count:,} runs; take fewer, or raise max_runs = {params.max_runs:,}"
            )
        where = f"{path}: presets.{name}"
        validate(RunConfig, study.run, f"{where}.run")
        for key, experiment in study.experiments.items():  # a bad value in any of them is found at once
            arms = experiment.model_copy(update={"seeds": None})
            for _ in arms.expand(f"{where}.experiments.{key}", study.run, [0]):
                pass
    return params


def check_name(name: str, kind: str) -> None:
    """Raise ValueError unless ``name`` can be a folder's, in an argument of a command and in the report."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{_shorten(name)} cannot be the name of {kind}: {_NAME_RULE}")


def expand_experiments(preset: Preset) -> dict[str, list[RunConfig]]:
    """The run configurations of every experiment of a preset, in the order of the file."""
    return {
        name: list(experiment.expand(f"experiments.{name}", preset.run, preset.seeds))
        for name, experiment in preset.experiments.items()
    }


def validate(model: type[ModelType], values: Any, where: str) -> ModelType:
    """Build ``model`` from ``values``; the first fault becomes an AsgdError of one line that names key and value."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(_shorten(str(part)).strip("'") for part in fault["loc"])
        raise AsgdError(f"{where}: {_describe(fault, key, model)}") from None


def _describe(fault: Any, key: str, model: type[BaseModel]) -> str:
    if fault["type"] == "extra_forbidden":
        allowed = ", ".join(_model_at(model, fault["loc"][:-1]).model_fields)
        return f"unknown key '{key}'; keys allowed here are {allowed}"
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] in ("value_error", "missing"):
        return f"{key}: {message}" if key else message
    return f"{key} = {_shorten(fault['input'])}: {message}"


def _shorten(value: Any) -> str:
    """``value`` as Python writes it, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]}..."


def _model_at(model: type[BaseModel], location: Sequence[Any]) -> type[BaseModel]:
    """The model that a fault's location lies in, through dictionaries of models."""
    found = model
    for part in location:
        annotation = found.model_fields[part].annotation if part in found.model_fields else None
        candidates = [annotation, *getattr(annotation, "__args__", ())]
        found = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), found)
    return found


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _as_yaml(text: str) -> str:
    """The number that ``text`` says, such that YAML 1.1 reads a number: an exponent needs a point before it."""
    if text.strip().isdecimal():
        return text.strip()
    mantissa, exponent, power = repr(float(text)).partition("e")
    return f"{mantissa}.0{exponent}{power}" if exponent and "." not in mantissa else f"{mantissa}{exponent}{power}"


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
