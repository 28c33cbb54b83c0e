"""Pictures inside of a page, as data addresses."""

from base64 import b64encode
from io import BytesIO
from pathlib import Path

from PIL import Image

COLOURS = 64


def svg_address(path: Path) -> str:
    """A drawing as it is."""
    return f"data:image/svg+xml;base64,{b64encode(path.read_bytes()).decode()}"


def png_address(path: Path) -> str:
    """A picture of few colours, in a third of its bytes."""
    with Image.open(path) as picture:
        flat = Image.new("RGB", picture.size, "white")
        flat.paste(picture, mask=picture.getchannel("A") if picture.mode == "RGBA" else None)
        stream = BytesIO()
        flat.quantize(COLOURS).save(stream, "PNG", optimize=True)
    return f"data:image/png;base64,{b64encode(stream.getvalue()).decode()}"
