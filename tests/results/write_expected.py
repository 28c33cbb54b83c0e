"""Write ``expected/`` anew, after a change that is meant to change tables or figures. Read what changed.

python tests/results/write_expected.py
"""

import sys
import tempfile
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))
sys.path.append(str(Path(__file__).resolve().parents[2] / "workflow" / "scripts"))

from results.expected_texts import EXPECTED, texts


def main() -> None:
    """All of them."""
    for path in EXPECTED.iterdir():
        path.unlink()
    with tempfile.TemporaryDirectory() as folder:
        for name, text in texts(Path(folder)):
            (EXPECTED / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
