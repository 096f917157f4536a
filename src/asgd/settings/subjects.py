"""Which experiment a figure or an analysis is about: found by what varies in it, never by its name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from asgd.settings.run import RunConfig
from asgd.settings.study import Preset

#: What says which kind of momentum there is: it varies with `momentum`.
_KINDS_OF_MOMENTUM = frozenset({"momentum_where", "momentum_convention"})


@dataclass(frozen=True)
class Subject:
    """An experiment in which all of ``varies``, perhaps some of ``may_vary``, and nothing else but the seed varies.

    Names are run parameters; `momentum` includes its kinds.
    """

    varies: tuple[str, ...]
    may_vary: tuple[str, ...] = ()

    def fits(self, varying: Sequence[str]) -> bool:
        """Whether an experiment with these ``varying`` parameters is one."""
        found = {"momentum" if key in _KINDS_OF_MOMENTUM else key for key in varying}
        return set(self.varies) <= found <= {*self.varies, *self.may_vary}

    def find(self, experiments: Mapping[str, Sequence[RunConfig]]) -> str | None:
        """The name of the first experiment that is one; None if none is."""
        return next((name for name, configs in experiments.items() if self.fits(list_varying(configs))), None)


def find_subject(
    preset: Preset, name: str, subject: Subject, experiments: Mapping[str, Sequence[RunConfig]]
) -> str | None:
    """The experiment that the figure or analysis ``name`` is about: what the preset says, or what varies tells."""
    return preset.subjects.get(name) or subject.find(experiments)


def list_varying(configs: Sequence[RunConfig]) -> list[str]:
    """The run parameters, but the seed, in which runs differ."""
    if not configs:
        return []
    first = configs[0]
    keys = [key for key in RunConfig.model_fields if key != "seed"]
    return [key for key in keys if any(getattr(config, key) != getattr(first, key) for config in configs)]
