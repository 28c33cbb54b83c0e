"""A page from its template: one file with its libraries, style, numbers and pictures inside."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from nasperf360.files import write_text
from nasperf360.report.libraries import libraries

TEMPLATES = Path(__file__).with_name("templates")


def render(template: str, **contents: Any) -> str:
    """The page.

    Args:
        template: a file of ``templates/``.
        contents: what it shows.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["script_json"] = script_json
    environment.globals["raw"] = lambda name: Markup((TEMPLATES / name).read_text(encoding="utf-8"))
    return environment.get_template(template).render(libraries=libraries(), **contents)


def script_json(value: Mapping[str, Any]) -> Markup:
    """JSON that may stand in a script element: no text of it can end the element."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    return Markup(text.replace("<", "\\u003c"))


def write(path: str | Path, template: str, **contents: Any) -> None:
    """Render a page and write it at once."""
    write_text(path, render(template, **contents))
