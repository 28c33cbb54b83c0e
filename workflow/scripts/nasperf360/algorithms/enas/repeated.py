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
        start, full = self.taken, len(self.loader) // self.loader.batch_size
        while start < self.steps:
            place = start % full
            count = min(full - place, self.steps - start)
            yield from islice(self.loader.shuffled(generator(*self.order), place), count)
            start += count
