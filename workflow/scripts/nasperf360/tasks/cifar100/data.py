"""CIFAR-100 from its archive: ``x`` images (3, 32, 32) uint8, ``y`` int64."""

from nasperf360.data.datasets import DatasetWriter
from nasperf360.data.raw import RawFiles
from nasperf360.settings.declaration import NoSettings
from nasperf360.tasks.cifar100.spec import SPEC
from nasperf360.tasks.shared.cifar_archive import IMAGE, read_images, write_images


def preprocess(raw: RawFiles, writer: DatasetWriter, options: NoSettings) -> None:
    """First 80 % of the training file train, the last 20 % validate; the test file tests."""
    archive = raw.all("archive")[0].path
    write_images(writer, read_images(raw), IMAGE, SPEC.outputs, archive)
