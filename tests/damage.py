"""Damage that files suffer, drawn with a fixed seed: flipped bytes, lost, added and overwritten ones."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from nasperf360.errors import UserError

HEADER = 400  # half of the damage is done to so many bytes at the start, where formats say what follows


def damaged(content: bytes, count: int, seed: int) -> Iterator[bytes]:
    """``count`` variants of a file's bytes."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        changed = bytearray(content)
        end = min(HEADER, len(changed)) if number % 2 else len(changed)
        place = int(rng.integers(end))
        match rng.integers(6):
            case 0:
                changed[place] ^= 1 << int(rng.integers(8))
            case 1:
                changed[place] = int(rng.choice([0, 1, 127, 128, 255]))
            case 2:
                changed[place : place + 4] = rng.bytes(4)
            case 3:
                changed[place : place + 8] = bytes([int(rng.choice([0, 255]))]) * 8
            case 4:
                del changed[place:]
            case 5:
                changed[place:place] = rng.bytes(int(rng.integers(1, 9)))
        yield bytes(changed)


def read_or_refused(path: Path, read: Callable[[Path], object], variant: str = "") -> str:
    """What a reader says of a file: nothing, or one sentence that names it; the test fails at anything else."""
    try:
        read(path)
        return ""
    except UserError as error:
        sentence = str(error)
    except Exception as error:
        pytest.fail(f"{variant}: {type(error).__name__}: {error}")
    assert str(path) in sentence
    assert "\n" not in sentence
    return sentence


def refusals_of(path: Path, content: bytes, read: Callable[[Path], object], count: int, seed: int) -> list[str]:
    """What a reader says of many damaged variants of a file that it reads whole."""
    path.write_bytes(content)
    read(path)
    said = []
    for number, variant in enumerate(damaged(content, count, seed)):
        path.write_bytes(variant)
        said.append(read_or_refused(path, read, f"variant {number}"))
    return [sentence for sentence in said if sentence]
