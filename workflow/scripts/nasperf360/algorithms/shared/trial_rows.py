"""How a history writes down an architecture."""

import json

from nasperf360.spaces.shared.encoding import Architecture


def as_text(architecture: Architecture) -> str:
    """An architecture, or hyperparameters, as JSON on one line, the same for equal ones."""
    return json.dumps(architecture, sort_keys=True, separators=(",", ":"))
