"""The ``given`` algorithm to the workflow."""

from typing import Annotated, Any

from annotated_types import Len
from pydantic import Field

from nasperf360.algorithms.shared.algorithm_spec import AlgorithmSpec
from nasperf360.settings.declaration import Settings, Whole


class ReadSettings(Settings):
    """What an ``architecture.json`` says."""

    architecture: dict[str, Any] = Field(description="the architecture")
    task: str = Field(description="which it was drawn for")
    parameters: Whole = Field(description="of its network on that task")
    multiply_adds: Whole = Field(description="of that network")
    sha256: str = Field(description="checksum of the file's content")


class GivenSettings(Settings):
    """Of a method without a search, whose architecture somebody published."""

    architecture: Annotated[str, Len(1)] | ReadSettings = Field(
        description="path of an `architecture.json`; the workflow puts what the file says in its place"
    )


SPEC = AlgorithmSpec(name="given", settings=GivenSettings, trains=False)
