"""A GPU that the installed torch has no code for is refused at once, with the build that has."""

import os
import re

import pytest
import torch

from nasperf360.errors import UserError
from nasperf360.training.fitting import setup_torch
from nasperf360.training.gpu import drives

CUDA_13 = ["sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120"]


@pytest.fixture
def machine(monkeypatch):
    """A machine with a made-up GPU, of a capability and a build of torch to be given."""

    def make(capability, built):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Tesla Test")
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
        monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: built)
        monkeypatch.setattr(torch, "__version__", "2.13.0+cu130")

    yield make
    torch.set_deterministic_debug_mode("default")


@pytest.mark.parametrize("capability", [(7, 0), (5, 0)])
@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_an_older_card_is_told_which_build_to_install(machine, device, capability):
    machine(capability, CUDA_13)
    message = (
        f"Tesla Test has compute capability {capability[0]}.0, and this build of torch 2.13.0 runs on sm_75, sm_80, "
        "sm_86, sm_90, sm_100, sm_120 only; install it by pip install --force-reinstall torch==2.13.0 --index-url "
        "https://download.pytorch.org/whl/cu126, or set device: cpu"
    )
    with pytest.raises(UserError, match=f"^{re.escape(message)}$") as found:
        setup_torch(1, device, gpu=1)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("capability", [(3, 5), (4, 9), (13, 0), (11, 0)])
def test_a_card_of_no_build_is_told_so(machine, capability):
    machine(capability, CUDA_13)
    with pytest.raises(UserError, match=r"a version of torch that lists it \(https://pytorch.org/get-started\)"):
        setup_torch(1, "auto", gpu=1)


@pytest.mark.parametrize(("device", "gpu"), [("cpu", 1), ("auto", 0), ("cuda", 0)])
def test_a_job_without_a_gpu_does_not_ask(machine, device, gpu):
    machine((7, 0), CUDA_13)
    assert setup_torch(1, device, gpu=gpu).type == "cpu"


def test_cuda_is_asked_of_jobs_that_take_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="device: cuda is asked for, but torch sees no GPU here"):
        setup_torch(1, "cuda", gpu=1)
    assert setup_torch(1, "cuda", gpu=0).type == "cpu"  # of a search that trains nothing
    torch.set_deterministic_debug_mode("default")


def test_a_card_of_the_build_is_taken(machine):
    machine((8, 9), CUDA_13)
    assert setup_torch(1, "auto", gpu=1).type == "cuda"


@pytest.mark.parametrize(
    ("built", "capability", "runs"),
    [
        (["sm_80"], (8, 0), True),
        (["sm_80"], (8, 9), True),  # of the same generation, and later
        (["sm_86"], (8, 0), False),
        (["sm_80"], (9, 0), False),
        (["sm_80", "compute_80"], (9, 0), True),  # compiled when it is loaded
        (["compute_90"], (8, 9), False),
        (["sm_90a"], (9, 0), True),
        (["sm_100f"], (10, 3), False),
        (["sm_120"], (12, 0), True),
        ([], (8, 0), False),
    ],
)
def test_which_builds_drive_a_card(built, capability, runs):
    assert drives(built, capability) == runs


def test_a_job_computes_the_same_each_time(monkeypatch):
    """On as many threads as its settings say, by algorithms that are deterministic or refused."""
    threads, filled = torch.get_num_threads(), torch.utils.deterministic.fill_uninitialized_memory
    for name in ("CUBLAS_WORKSPACE_CONFIG", "ONEDNN_PRIMITIVE_CACHE_CAPACITY"):
        monkeypatch.delenv(name, raising=False)
    try:
        torch.backends.cudnn.benchmark = True
        setup_torch(threads + 1, "auto", gpu=0)
        assert torch.get_num_threads() == threads + 1
        assert torch.get_deterministic_debug_mode() == 2  # refused
        assert not torch.utils.deterministic.fill_uninitialized_memory
        assert not torch.backends.cudnn.benchmark
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
        assert int(os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"]) > 1024  # oneDNN's own
    finally:
        torch.set_num_threads(threads)
        torch.set_deterministic_debug_mode("default")
        torch.utils.deterministic.fill_uninitialized_memory = filled


def test_a_gpu_that_is_asked_for_and_not_there_is_said():
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(UserError, match="torch sees no GPU here; set device: auto or cpu"):
        setup_torch(1, "cuda", gpu=1)
