"""Numbers by a formula, the same in every library: what networks and inputs of the fixtures are filled with."""

import numpy as np

MIX = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)  # of splitmix64
STEP = 0x9E3779B97F4A7C15


def uniform(shape: tuple[int, ...], number: int) -> np.ndarray:
    """Tensor ``number``: values in [-1, 1), from exact integers; float64."""
    with np.errstate(over="ignore"):  # modulo 2 ** 64
        z = np.arange(int(np.prod(shape)), dtype=np.uint64) * np.uint64(STEP) + np.uint64(number + 1) * np.uint64(
            MIX[0]
        )
        for shift, factor in zip((30, 27), MIX, strict=True):
            z = (z ^ (z >> np.uint64(shift))) * np.uint64(factor)
        z ^= z >> np.uint64(31)
    return ((z >> np.uint64(11)) / 2.0**52 - 1.0).reshape(shape)


def value(shape: tuple[int, ...], number: int, kind: str, scale: float = 1.0) -> np.ndarray:
    """Tensor ``number`` of a network, float32.

    Args:
        shape: as torch has it, outputs first.
        number: position in the network.
        kind: ``weight`` (variance 2 / fan in, times ``scale``), ``gamma`` and ``var`` (0.5 to 1.5), or ``bias``,
            ``beta`` and ``mean`` (-0.1 to 0.1).
        scale: of weights.
    """
    values = uniform(shape, number)
    if kind == "weight":
        return (values * np.sqrt(6.0 / np.prod(shape[1:]))).astype(np.float32) * np.float32(scale)
    return (1.0 + 0.5 * values if kind in ("gamma", "var") else 0.1 * values).astype(np.float32)
