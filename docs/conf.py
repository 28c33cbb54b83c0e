"""The documentation site: sphinx-build --fail-on-warning -c docs . results/site/html

Its pages are those of the repository, where they stand; docs/site_pages.py makes the others at each build.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import site_pages
from pygments.lexers.special import TextLexer
from sphinx.highlighting import lexers

ROOT = Path(__file__).resolve().parents[1]

project = "NAS-Perf-360"
author = "The NAS-Perf-360 maintainers"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
root_doc = "docs/index"
include_patterns = [
    "*.md",
    "config/README.md",
    "results/README.md",
    "benchmarks/README.md",
    "tests/golden/README.md",
    "docs/**",
]
exclude_patterns = ["docs/*.py", "docs/*.sh"]
suppress_warnings = [
    "misc.highlighting_failure",  # a Snakefile is almost Python
]

html_theme = "pydata_sphinx_theme"
html_title = project
html_show_sourcelink = False
# Pages without others below them need no navigation beside them.
html_sidebars = {f"{folder}*": [] for folder in ("", "docs/", "config/", "results/", "benchmarks/", "tests/golden/")}
html_extra_path = ["made/root"]
html_theme_options = {
    "header_links_before_dropdown": 6,
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
    "navigation_depth": 2,
}

myst_heading_anchors = 3
myst_enable_extensions = ["attrs_inline"]

autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_preserve_defaults = True
napoleon_use_ivar = True

lexers["mermaid"] = TextLexer()  # GitHub draws these


def no_markup(app, what, name, obj, options, lines):
    """Stars, and underscores at the end of a word, are what they are: ``(B, *input_shape)``."""
    lines[:] = map(site_pages.plain, lines)


def not_ours(app, what, name, obj, skip, options):
    """Names that a module imports are no members of it; scipy's functions would count as such."""
    origin = getattr(obj, "__module__", None) or ""
    return True if origin.startswith("scipy.") else None


def setup(app):
    app.connect("config-inited", lambda app, config: site_pages.write(ROOT))
    app.connect("autodoc-process-docstring", no_markup, priority=100)
    app.connect("autodoc-skip-member", not_ours)
