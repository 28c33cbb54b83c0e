"""Pictures inside of a page, as data addresses."""

from base64 import b64encode
from io import BytesIO
from pathlib import Path

from PIL import Image

COLOURS = 64
WIDEST = 1500  # pixels; a page is no wider than 1,200


def svg_address(path: Path) -> str:
    """A drawing as it is."""
    return f"data:image/svg+xml;base64,{b64encode(path.read_bytes()).decode()}"


def png_address(path: Path) -> str:
    """A picture as :func:`small_png` makes it."""
    return f"data:image/png;base64,{b64encode(small_png(path)).decode()}"


def small_png(path: Path, colours: int = COLOURS) -> bytes:
    """A picture with few colours and no more pixels than a page shows, in a quarter of its bytes."""
    with Image.open(path) as picture:
        flat = Image.new("RGB", picture.size, "white")
        flat.paste(picture, mask=picture.getchannel("A") if picture.mode == "RGBA" else None)
        flat.thumbnail((WIDEST, WIDEST * 4))
        stream = BytesIO()
        flat.quantize(colours, method=Image.Quantize.FASTOCTREE).save(stream, "PNG")
    return stream.getvalue()
