"""DeepSEA, which chromatin features does a piece of DNA carry, to the workflow."""

from typing import Annotated

from annotated_types import Len
from pydantic import AfterValidator, Field

from nasperf360.settings.declaration import Amount, Count, Fraction, Settings, overrides
from nasperf360.tasks.shared.task_spec import Metric, TaskSpec

LENGTH, FEATURES, SELECTED = 1000, 919, 36  # bases of a sequence, its labels, and how many the task takes
# Which 36 was never published. Ours: the middles of 36 equal parts of the 919, so that DNase (0-124), transcription
# factors (125-814) and histone marks (815-918) are there in proportion: 5, 27 and 4.
COLUMNS = tuple((2 * index + 1) * FEATURES // (2 * SELECTED) for index in range(SELECTED))


def _different(columns: list[int]) -> list[int]:
    if len(set(columns)) < SELECTED:
        raise ValueError("the indices must be different")
    return columns


class SimulateSettings(Settings):
    """Of the simulated DNA."""

    train: Count = Field(4_400_000, description="sequences; an even number")
    valid: Count = Field(8000, description="sequences; an even number")
    test: Count = Field(455_024, description="sequences; an even number")
    motifs: Count = Field(12, description="how many there are")
    motif_length: Count = Field(12, description="bases, a multiple of 4")
    copies: Count = Field(2, description="how often a present motif stands in a sequence")
    presence: Amount = Field(0.03, description="probability that a sequence has a given motif")
    noise: Amount = Field(0.02, description="probability that a label is flipped off, or (a tenth of that) on")


class PreprocessSettings(Settings):
    """Of the samples; options of ``train.mat`` in the sources file win over these."""

    columns: Annotated[
        list[Annotated[int, Field(ge=0, lt=FEATURES)]], Len(SELECTED, SELECTED), AfterValidator(_different)
    ] = Field(list(COLUMNS), description="indices of the 36 labels, 0 to 918")
    train_fraction: Fraction = Field(
        0.05, description="share of the selected training sequences that is drawn; as published"
    )
    keep_negatives: bool = Field(
        False, description="sequences without a positive label too; as inferred from the published counts"
    )
    length: Annotated[int, Field(ge=1, le=LENGTH)] = Field(
        LENGTH, description="bases kept, at the centre; as published"
    )


SPEC = TaskSpec(
    name="deepsea",
    dimensions=1,
    kind="point",
    outputs=SELECTED,
    metric=Metric("AUROC", higher_is_better=True),
    raw="deepsea",
    multi_label=True,
    merge_valid=False,
    preprocess=PreprocessSettings,
    simulate=SimulateSettings,
    file_options={"bundle": overrides(PreprocessSettings)},
)
