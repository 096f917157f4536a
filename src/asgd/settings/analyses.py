"""What the analyses beyond the claims measure: a section for each that declares one, in its file."""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, Field, create_model

from asgd.members import find_members
from asgd.settings.validation import StrictModel


@dataclass(frozen=True)
class Setting:
    """A key of a section. Its type is that of the default: a whole number, a number, or a list of either."""

    default: Any
    description: str
    at_least: float | None = None  #: the number, or each of a list
    above: float | None = None  #: the same, where the limit itself is too small
    ascending: bool = False  #: a list


@dataclass(frozen=True)
class Section:
    """The keys that an analysis has in params.yaml, in the section of its name."""

    description: str
    keys: dict[str, Setting]


def _check_order(values: list[float]) -> list[float]:
    if values != sorted(set(values)):
        raise ValueError(f"{values}: give them in ascending order, each once")
    return values


def _make_field(setting: Setting) -> tuple[Any, Any]:
    """The type and the field of a key, as pydantic takes them."""
    several = isinstance(setting.default, list)
    values = setting.default if several else [setting.default]
    number: Any = float if any(isinstance(value, float) for value in values) else type(values[0])
    if setting.at_least is not None or setting.above is not None:
        number = Annotated[number, Field(ge=setting.at_least, gt=setting.above)]
    if several:
        number = Annotated[list[number], AfterValidator(_check_order)] if setting.ascending else list[number]
    return number, Field(setting.default, description=setting.description, min_length=1 if several else None)


def _make_section(name: str, section: Section) -> tuple[Any, Any]:
    fields: dict[str, Any] = {key: _make_field(setting) for key, setting in section.keys.items()}
    made = create_model(f"{name.title()}Config", __base__=StrictModel, __doc__=section.description, **fields)
    return made, Field(default_factory=made, description=section.description)


_SECTIONS: dict[str, Any] = {
    name: _make_section(name, section) for name, section in find_members("asgd.analyses", Section, Setting).items()
}
AnalysesConfig = create_model(
    "AnalysesConfig",
    __base__=StrictModel,
    __doc__="What the analyses beyond the claims measure; some train a few runs again.",
    **_SECTIONS,
)
