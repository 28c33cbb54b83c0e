"""What GPUs can do, by their makers' data sheets, and what of it training is taken to reach."""

from dataclasses import dataclass

from nasperf360.errors import UserError

NEEDED = (7, 5)
"""The least compute capability that the pinned torch, a CUDA 13 build, can drive."""


@dataclass(frozen=True)
class Card:
    """A GPU.

    Args:
        title: as ``torch.cuda.get_device_name`` has it in its name.
        capability: its compute capability.
        float32: operations per second without tensor cores; a multiply-add is two.
        tf32: the same in TF32, or in float32 where the card has none.
        bfloat16: the same in bfloat16, or in float16 where the card has none; dense.
        bandwidth: bytes per second to its memory.
        memory: GiB.
    """

    title: str
    capability: tuple[int, int]
    float32: float
    tf32: float
    bfloat16: float
    bandwidth: float
    memory: float

    @property
    def driven(self) -> bool:
        """Whether the pinned torch can drive it."""
        return self.capability >= NEEDED

    def peak(self, precision: str) -> float:
        """Operations per second in a ``precision`` of the configuration."""
        return {"float32": self.float32, "tf32": self.tf32}.get(precision, self.bfloat16)


CARDS = {
    "v100": Card("V100", (7, 0), 15.7e12, 15.7e12, 125e12, 0.90e12, 16),  # the paper's
    "t4": Card("T4", (7, 5), 8.1e12, 8.1e12, 65e12, 0.32e12, 16),
    "a100-40": Card("A100-SXM4-40GB", (8, 0), 19.5e12, 156e12, 312e12, 1.56e12, 40),
    "a100": Card("A100", (8, 0), 19.5e12, 156e12, 312e12, 2.04e12, 80),
    "l4": Card("L4", (8, 9), 30.3e12, 60e12, 121e12, 0.30e12, 24),
    "l40s": Card("L40S", (8, 9), 91.6e12, 183e12, 362e12, 0.86e12, 48),
    "rtx4090": Card("RTX 4090", (8, 9), 82.6e12, 82.6e12, 165e12, 1.01e12, 24),
    "h100": Card("H100", (9, 0), 67e12, 494e12, 989e12, 3.35e12, 80),
    "h200": Card("H200", (9, 0), 67e12, 494e12, 989e12, 4.8e12, 141),
    "b200": Card("B200", (10, 0), 75e12, 1100e12, 2250e12, 7.7e12, 180),
}
DEFAULT = "h100"


def card_of(name: str) -> Card:
    """A card by its key.

    Raises:
        UserError: there is none of that name.
    """
    if name not in CARDS:
        raise UserError(f"estimate: unknown device '{name}', allowed are {', '.join(CARDS)}")
    return CARDS[name]


def card_named(device: str) -> Card | None:
    """The card that a device's full name, ``NVIDIA H100 80GB HBM3``, tells; None where it tells none."""
    found = [card for card in CARDS.values() if card.title in device.replace("-PCIE", "-SXM4")]
    return max(found, key=lambda card: len(card.title), default=None)
