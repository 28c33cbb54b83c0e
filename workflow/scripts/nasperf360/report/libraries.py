"""The libraries of the page, from packages installed with the workflow: no network, no copies in the repository.

Vega, Vega-Lite and Vega-Embed (BSD) draw the charts; Snakemake ships them for its own reports, each with a checksum.
DataTables (MIT) sorts and filters tables; itables ships it in one module with its style.
"""

from base64 import b64encode
from dataclasses import dataclass
from importlib import resources

import itables
import snakemake.assets

CHARTS = ("vega/vega.js", "vega-lite/vega-lite.js", "vega-embed/vega-embed.js")


@dataclass(frozen=True)
class Libraries:
    """What a page holds of others.

    Args:
        charts: scripts, in order; each sets a global name.
        tables: a module as a ``data:`` address, for an import map.
        tables_style: its style.
    """

    charts: list[str]
    tables: str
    tables_style: str


def libraries() -> Libraries:
    """Read them."""
    html = resources.files(itables) / "html"
    module = b64encode((html / "dt_bundle.js").read_bytes()).decode()
    return Libraries(
        charts=[_inline(snakemake.assets.Assets.get_content(name)) for name in CHARTS],
        tables=f"data:text/javascript;base64,{module}",
        tables_style=(html / "dt_bundle.css").read_text(encoding="utf-8"),
    )


def _inline(script: str) -> str:
    """A script that may stand inside of a page: its text may not end the element."""
    return script.replace("</script", r"<\/script")
