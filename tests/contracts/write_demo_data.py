"""Write ``demo_data.json`` anew, after a change that is meant to change the demo's data.

python tests/contracts/write_demo_data.py
"""

import json
import sys
import tempfile
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "workflow" / "scripts"))

from demo import NUMBERS, processed, simulated, summary

from nasperf360.registry import names


def main() -> None:
    """Of every task."""
    numbers = {}
    for task in names("tasks"):
        with tempfile.TemporaryDirectory() as folder:
            numbers[task] = summary(processed(task, simulated(task, Path(folder) / "raw"), Path(folder) / "data.h5"))
    NUMBERS.write_text(json.dumps(numbers, indent=1) + "\n")


if __name__ == "__main__":
    main()
