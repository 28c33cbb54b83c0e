"""Whether the installed torch has code for the GPU at hand: it is built for some generations only."""

import re

import torch

from nasperf360.errors import UserError

OLDEST = (5, 0)  # that the builds for CUDA 12.6 drive; those for CUDA 13, which PyPI has, begin with 7.5


def check_gpu() -> None:
    """Refuse a GPU that torch would fail on at its first kernel.

    Raises:
        UserError: names the build of torch to install.
    """
    capability, built = torch.cuda.get_device_capability(), torch.cuda.get_arch_list()
    if drives(built, capability):
        return
    version = torch.__version__.partition("+")[0]
    if capability < min(map(_capability, built), default=OLDEST) and capability >= OLDEST:
        mend = (
            f"it by pip install --force-reinstall torch=={version} --index-url https://download.pytorch.org/whl/cu126"
        )
    else:
        mend = "a version of torch that lists it (https://pytorch.org/get-started)"
    raise UserError(
        f"{torch.cuda.get_device_name()} has compute capability {capability[0]}.{capability[1]}, and this build of "
        f"torch {version} runs on {', '.join(built)} only; install {mend}, or set device: cpu"
    )


def drives(built: list[str], capability: tuple[int, int]) -> bool:
    """Whether a GPU runs code that was built for these: ``sm_86`` for its own generation, ``compute_90`` for all later.

    Args:
        built: as ``torch.cuda.get_arch_list`` names them.
        capability: of the GPU, major and minor.
    """
    for name in built:
        of_build = _capability(name)
        if name.endswith(("a", "f")):  # of one GPU alone
            runs = of_build == capability
        elif name.startswith("compute"):
            runs = of_build <= capability
        else:
            runs = of_build[0] == capability[0] and of_build <= capability
        if runs:
            return True
    return False


def _capability(name: str) -> tuple[int, int]:
    digits = "".join(re.findall(r"\d", name))
    return int(digits[:-1]), int(digits[-1])
