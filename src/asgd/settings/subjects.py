"""Which experiment a figure or an analysis is about: found by what varies in it, never by its name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from asgd.settings.parameters import keys_of, list_parameters, whole_of
from asgd.settings.run import RunConfig
from asgd.settings.study import Preset

#: The parameters, but the seed and those of evaluation, in which the runs of each experiment differ.
Varying = Mapping[str, Sequence[str]]

#: How often and on what runs are evaluated, which no experiment is about.
_OF_EVALUATION = {"evaluations_per_epoch", "train_eval_images"}


@dataclass(frozen=True)
class Subject:
    """An experiment in which all of ``varies``, perhaps some of ``may_vary``, and nothing else varies.

    The seed may vary, and how often and on how many images runs are evaluated. Names are run parameters; `momentum`
    includes its kinds. In ``may_vary``, `schedule`, `policy`, `update` and `network` include the parameters of their
    members.
    """

    varies: tuple[str, ...]
    may_vary: tuple[str, ...] = ()

    def find(self, varying: Varying) -> str | None:
        """The name of the first experiment that is one; None if none is."""
        return next((name for name, parameters in varying.items() if self._fits(parameters)), None)

    def _fits(self, parameters: Sequence[str]) -> bool:
        found = set(map(whole_of, parameters))
        return set(self.varies) <= found <= {*self.varies, *(key for name in self.may_vary for key in keys_of(name))}


def find_subject(preset: Preset, name: str, subject: Subject, varying: Varying) -> str | None:
    """The experiment that the figure or analysis ``name`` is about: what the preset says, or what varies tells."""
    return preset.subjects[name] if name in preset.subjects else subject.find(varying)


def find_varying(experiments: Mapping[str, Sequence[RunConfig]]) -> Varying:
    """The parameters in which the runs of each experiment differ."""
    return {name: _list_varying(configs) for name, configs in experiments.items()}


def _list_varying(configs: Sequence[RunConfig]) -> list[str]:
    keys = [key for key in list_parameters() if key not in _OF_EVALUATION]
    return [key for key in keys if _differ([getattr(one, key) for one in configs])]


def _differ(values: list[Any]) -> bool:
    return values != values[:1] * len(values)
