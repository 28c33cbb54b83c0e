"""Fixtures shared by all tests."""

import signal
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow" / "scripts"), str(ROOT / "tests")]


@pytest.fixture(scope="session")
def samples() -> Path:
    """Real raw files in the original formats, kept beside the checkout where they could be had."""
    folder = ROOT.parent / "shared" / "samples"
    if not folder.is_dir():
        pytest.skip(f"no real raw samples at {folder}")
    return folder


@pytest.fixture(autouse=True, scope="session")
def _signals() -> None:
    """Where the tests were started in the background, what they start would ignore Ctrl-C and the end of a terminal."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """Tiny networks are slower on several threads, and other threads give other bits."""
    import torch

    torch.set_num_threads(1)
