"""Pictures inside of a page: as they are, or with few colours and no more pixels than a page shows."""

from base64 import b64decode
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from nasperf360.report.pictures import COLOURS, png_address, svg_address


def opened(address):
    start, _, content = address.partition(",")
    assert start == "data:image/png;base64"
    return Image.open(BytesIO(b64decode(content)))


def test_a_drawing_is_as_it_was(tmp_path):
    (tmp_path / "a.svg").write_bytes(b"<svg/>")
    start, _, content = svg_address(tmp_path / "a.svg").partition(",")
    assert (start, b64decode(content)) == ("data:image/svg+xml;base64", b"<svg/>")


@pytest.mark.parametrize(
    ("size", "shown"),
    [((40, 20), (40, 20)), ((3000, 20), (1500, 10)), ((1500, 30), (1500, 30)), ((200, 6400), (188, 6000))],
)
def test_a_picture_is_no_larger_than_a_page_and_keeps_its_shape(tmp_path, size, shown):
    Image.new("RGB", size, "red").save(tmp_path / "a.png")
    found = opened(png_address(tmp_path / "a.png"))
    assert found.size == shown
    assert found.convert("RGB").getpixel((3, 3)) == (255, 0, 0)


def test_what_is_transparent_is_white(tmp_path):
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:, 4:] = (0, 0, 255, 255)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    found = opened(png_address(tmp_path / "a.png")).convert("RGB")
    assert found.getpixel((1, 1)) == (255, 255, 255)
    assert found.getpixel((6, 6)) == (0, 0, 255)


def test_a_picture_has_few_colours(tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(256, size=(64, 64, 3), dtype=np.uint8)).save(tmp_path / "a.png")
    found = opened(png_address(tmp_path / "a.png"))
    assert COLOURS // 2 < len(found.getcolors()) <= COLOURS == 64
