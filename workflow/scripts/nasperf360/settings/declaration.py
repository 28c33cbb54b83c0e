"""How settings are declared: a pydantic model beside the code that reads it, each field with a type, range and meaning.

The workflow fills the defaults into the params of its jobs, and a job reads the values back with ``model_validate``:
so provenance names every value, and a declaration itself is no part of any digest of code (``stages/code_digest.py``).
"""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from annotated_types import Len
from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    SerializerFunctionWrapHandler,
    create_model,
    model_serializer,
)


class Settings(BaseModel):
    """Base class. Only declared names are taken, and no value is converted: ``"3"``, ``3.0`` or ``true`` is no 3."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        protected_namespaces=(),
        allow_inf_nan=False,
        defer_build=True,  # of the models that a job imports it uses a few
    )

    def params(self) -> dict[str, Any]:
        """Every value, defaults too, as a param of a job."""
        return self.model_dump(mode="json")

    def but(self, changes: Mapping[str, Any]) -> Self:
        """These with some values changed, checked like all others."""
        return type(self).model_validate({**self.params(), **changes})


Whole = Annotated[int, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Several = Annotated[int, Field(ge=2)]
Amount = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Chance = Annotated[float, Field(ge=0, lt=1)]
Share = Annotated[float, Field(gt=0, lt=1)]
Fractions = list[Fraction]
Pair = Annotated[list[Chance], Len(2, 2)]


class NoSettings(Settings):
    """Nothing to set."""


class Overrides(Settings):
    """Base class of settings that take the place of others where they are given; null leaves the other one."""

    @model_serializer(mode="wrap")
    def _given(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in handler(self).items() if value is not None}


def overrides(of: type[Settings]) -> type[Overrides]:
    """A model of the same settings, all of them optional."""
    fields: Any = {}
    for name, field in of.model_fields.items():
        kind: Any = field.rebuild_annotation()
        if isinstance(field.discriminator, str):
            kind = Annotated[kind, Discriminator(field.discriminator)]
        fields[name] = (Annotated[kind | None, Field(description=field.description)], None)
    return create_model(f"{of.__name__}Overrides", __base__=Overrides, __doc__=of.__doc__, **fields)
