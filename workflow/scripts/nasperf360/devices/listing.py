"""Which GPUs this process may use, found without opening one: once it is open, CUDA asks no more what is visible."""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "CUDA_VISIBLE_DEVICES"
GPU = re.compile(r"^GPU (\d+): (.*) \(UUID: (\S+)\)$")
INSTANCE = re.compile(r"^\s+MIG (\S+)\s.*\(UUID: (\S+)\)$")
NODES = Path("/dev")
SECONDS = 120  # a driver that nobody keeps loaded takes its time


@dataclass(frozen=True)
class Gpu:
    """A GPU, or a part of one (MIG), that a process can have to itself.

    Args:
        visible: what ``CUDA_VISIBLE_DEVICES`` calls it.
        key: what every process of this machine calls it.
        title: for people.
    """

    visible: str
    key: str
    title: str


@dataclass(frozen=True)
class Found:
    """The GPUs that this process may use, and how it knows, or why there are none."""

    gpus: tuple[Gpu, ...]
    origin: str


@dataclass(frozen=True)
class _Card:
    """A line of ``nvidia-smi -L`` and those of its instances."""

    gpu: Gpu
    instances: list[Gpu]

    @property
    def whole(self) -> Gpu:
        """What a process gets that names the card: of one that is cut, CUDA gives it the first instance."""
        given = self.instances[0] if self.instances else self.gpu
        return Gpu(self.gpu.visible, given.key, given.title)


def find(environment: Mapping[str, str] = os.environ) -> Found:
    """The GPUs within ``CUDA_VISIBLE_DEVICES`` where that is set, as by SLURM; else those of the machine."""
    cards, fault = _cards()
    restricted = environment.get(VARIABLE)
    if restricted is not None:
        named = tuple(_within(restricted, cards, environment))
        return Found(named, f"{VARIABLE}={restricted}{'' if named else ' names none'}")
    if cards:
        gpus = [gpu for card in _strongest_first(cards) for gpu in card.instances or [card.gpu]]
        return Found(tuple(gpus), "as nvidia-smi lists them")
    # Containers may hold the devices without the program; CUDA numbers from 0 what there is.
    nodes = len([path for path in NODES.glob("nvidia*") if path.name.removeprefix("nvidia").isdigit()])
    gpus = [Gpu(str(number), _own(str(number), environment), f"GPU {number}") for number in range(nodes)]
    return Found(tuple(gpus), f"as {NODES} holds them" if nodes else fault)


def _within(restricted: str, cards: list[_Card], environment: Mapping[str, str]) -> Iterator[Gpu]:
    """The devices that ``CUDA_VISIBLE_DEVICES`` names, by index, UUID or the beginning of one.

    As CUDA does, only those before the first that is none.
    """
    whole = [card.whole for card in cards]
    known = [*whole, *(gpu for card in cards for gpu in card.instances)]
    for name in dict.fromkeys(part.strip() for part in restricted.split(",")):
        if name.isdigit():
            if not cards:
                yield Gpu(name, _own(name, environment), f"GPU {name}")
            elif int(name) < len(cards):
                card = whole[int(name)]
                yield Gpu(name, card.key, f"GPU {name}, {card.title}")
            else:
                return
        elif name.startswith(("GPU-", "MIG-")):
            same = next((gpu for gpu in known if gpu.visible.startswith(name)), None)
            if known and not same and not name.startswith("MIG-GPU-"):  # which drivers before 470 called them
                return
            yield Gpu(name, same.key if same else _key(name), same.title if same else name)
        else:
            return


def _cards() -> tuple[list[_Card], str]:
    """What ``nvidia-smi`` lists, in its order; and why it lists nothing."""
    try:
        done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = "there is no nvidia-smi" if isinstance(error, FileNotFoundError) else f"nvidia-smi: {error}"
        return [], reason
    cards: list[_Card] = []
    for line in done.stdout.splitlines():
        if found := GPU.match(line):
            _, name, uuid = found.groups()
            cards.append(_Card(Gpu(uuid, _key(uuid), f"{name}, {uuid}"), []))
        elif (found := INSTANCE.match(line)) and cards:
            profile, uuid = found.groups()
            cards[-1].instances.append(Gpu(uuid, _key(uuid), f"MIG {profile}, {uuid}"))
    said = (done.stdout + done.stderr).strip().splitlines()
    return cards, f"nvidia-smi says: {said[0] if said else 'nothing'}"


def _strongest_first(cards: list[_Card]) -> list[_Card]:
    """As CUDA itself counts, so that a card which only drives a screen comes last; in their order if all are alike."""
    if len({card.gpu.title.rpartition(",")[0] for card in cards}) < 2:
        return cards
    command = ["nvidia-smi", "--query-gpu=uuid,compute_cap,memory.total", "--format=csv,noheader,nounits"]
    found: dict[str, tuple[float, float]] = {}
    with suppress(OSError, subprocess.TimeoutExpired, ValueError):  # of drivers that do not know the question
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
        for line in done.stdout.splitlines():
            uuid, capability, memory = (part.strip() for part in line.split(","))
            found[uuid] = float(capability), float(memory)
    return sorted(cards, key=lambda card: found.get(card.gpu.visible, (0.0, 0.0)), reverse=True)


def _key(name: str) -> str:
    """As the name of a file."""
    return name.replace("/", "_")


def _own(index: str, environment: Mapping[str, str]) -> str:
    """The key of a GPU of which only the index is known, which may count from 0 in each job of a cluster."""
    job = environment.get("SLURM_JOB_ID")
    return f"job-{job}-{index}" if job else index
