"""The pictures at the top of the README are taken from a run by a script."""

import shutil
from importlib import import_module

import pytest
from PIL import Image

from .pages import ROOT, make_pages

pytestmark = pytest.mark.slow


def test_the_pictures_of_the_readme_are_taken_from_a_run(tmp_path, monkeypatch):
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        pytest.skip("no Chromium: apt-get install chromium")
    monkeypatch.syspath_prepend(ROOT / "docs")
    pictures = import_module("pictures")
    monkeypatch.setattr(pictures, "FOLDER", tmp_path / "pictures")
    run, _ = make_pages(tmp_path)
    for index, name in enumerate(pictures.FIGURES):
        Image.new("RGB", (400, 200 + 10 * index), (60 * index, 0, 0)).save(run / "figures" / f"{name}.png")
    pictures.main(run)
    with Image.open(tmp_path / "pictures" / "page.png") as page:
        assert page.size == (pictures.VIEW["width"], pictures.VIEW["height"])
        assert len(page.convert("RGB").getcolors(1000)) > 50  # letters, not an empty page
    with Image.open(tmp_path / "pictures" / "figures.png") as figures:
        assert figures.size == (2 * 400 + pictures.GAP, 210 + pictures.GAP + 230)
        last = figures.convert("RGB").getpixel((400 + pictures.GAP + 10, 210 + pictures.GAP + 10))
        assert last[0] > 150
