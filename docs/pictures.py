"""Take the pictures that README.md begins with from a finished run of the demo: docs/pictures/{page,figures}.png.

snakemake --cores 1 --resources gpu=1 && python docs/pictures.py      needs Chromium and requirements-dev.txt

They are committed, so they are small; `docs/generate.py` does not make them, since the demo takes minutes.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from nasperf360.report.pictures import small_png

FOLDER = Path(__file__).with_name("pictures")
FIGURES = ("scores", "cost", "experts", "profiles_settings")  # two in a row
VIEW = {"width": 1200, "height": 1000}
COLOURS = 256
WIDEST = 1200  # pixels
GAP = 24  # pixels between figures


def main(run: Path) -> None:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "page.png")
        photograph(run / "report" / "index.html", page)
        (FOLDER / page.name).write_bytes(small_png(page, COLOURS))
    montage([run / "figures" / f"{name}.png" for name in FIGURES], FOLDER / "figures.png")


def photograph(path: Path, output: Path) -> None:
    """The top of a page, in Chromium."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        sys.exit("Error: no Chromium; apt-get install chromium")
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        view = browser.new_page(viewport=VIEW)
        view.goto(path.resolve().as_uri())
        view.wait_for_selector("html[data-ready]", state="attached")
        view.wait_for_selector("[data-spec=profiles] svg")
        view.screenshot(path=output)
        browser.close()


def montage(paths: list[Path], output: Path) -> None:
    """Pictures two in a row, all of one width, in all colours: else the words across simulated data fall apart."""
    pictures = [Image.open(path).convert("RGBA") for path in paths]
    width = min(picture.width for picture in pictures)
    pictures = [picture.resize((width, round(picture.height * width / picture.width))) for picture in pictures]
    rows = [pictures[start : start + 2] for start in range(0, len(pictures), 2)]
    heights = [max(picture.height for picture in row) for row in rows]
    whole = Image.new("RGBA", (2 * width + GAP, sum(heights) + GAP * (len(rows) - 1)), "white")
    top = 0
    for row, height in zip(rows, heights, strict=True):
        for column, picture in enumerate(row):
            whole.paste(picture, (column * (width + GAP), top), picture)
        top += height + GAP
    whole.thumbnail((WIDEST, WIDEST * 4))
    whole.convert("RGB").save(output, optimize=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, default=Path("results/demo"), help="its folder; results/demo by default")
    main(parser.parse_args().run)
