"""The batches that ENAS trains its shared weights on, as the reference takes them."""

from collections.abc import Iterator
from itertools import islice

from nasperf360.seeds import derive_seed, generator
from nasperf360.tasks.shared.task_training import Batch, TaskTraining
from nasperf360.training.batches import AugmentedBatches, Loader


class RepeatedBatches(AugmentedBatches):
    """Augmented full batches of one permutation of the training samples, over and over.

    Args:
        task: augments.
        loader: of the training samples.
        seed: of the search.
        name: of this permutation and its augmentation.
        steps: how many batches.
    """

    def __init__(self, task: TaskTraining, loader: Loader, seed: int, name: tuple[str, int], steps: int):
        super().__init__(task, loader, derive_seed(seed, "augment", *name))
        self.order, self.steps = (seed, "order", *name), steps

    def coming(self) -> Iterator[Batch]:
        """The rest of this pass, and as many more passes as it takes."""
        return _passes(self.loader, self.order, self.taken, self.steps)


def _passes(loader: Loader, order: tuple[str | int, ...], start: int, steps: int) -> Iterator[Batch]:
    full = len(loader) // loader.batch_size
    while start < steps:
        place = start % full
        count = min(full - place, steps - start)
        yield from islice(loader.shuffled(generator(*order), place), count)
        start += count
