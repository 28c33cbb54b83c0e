"""Each job its own GPU: which there are, and that real processes claim those with the fewest claims."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nasperf360.devices import claims, listing
from nasperf360.devices.claims import place
from nasperf360.devices.listing import find

FOUR = "".join(f"GPU {number}: NVIDIA A100 (UUID: GPU-{number}aaa-bbb)\n" for number in range(4))
# The second card is cut in two.
CUT = """\
GPU 0: NVIDIA A100 (UUID: GPU-0aaa-bbb)
GPU 1: NVIDIA A100 (UUID: GPU-1aaa-bbb)
  MIG 3g.20gb     Device  0: (UUID: MIG-c6d4f1ef-42e4)
  MIG 3g.20gb     Device  1: (UUID: MIG-cba663e8-9bed)
"""
# A job: it claims, says which GPU CUDA will see, and keeps it until its input ends.
JOB = """
import os, sys
from pathlib import Path
from nasperf360.devices import claims
from nasperf360.devices.claims import place

claims.folder = lambda: Path(sys.argv[1])
with place("auto", 1, int(sys.argv[2])) as own:
    print(os.environ["CUDA_VISIBLE_DEVICES"], own.said("cuda"), sep="|", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine whose ``nvidia-smi`` lists what a test says."""
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    for name in (listing.VARIABLE, "SLURM_JOB_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(listing, "NODES", tmp_path / "dev")

    def lists(text: str, status: int = 0) -> None:
        program = programs / "nvidia-smi"
        program.write_text(f"#!/bin/sh\n[ \"$1\" = -L ] && printf '%s' '{text}'; exit {status}\n")
        program.chmod(0o755)

    return lists


def visible(**environment: str) -> list[str]:
    return [gpu.visible for gpu in find({**os.environ, **environment}).gpus]


def keys(**environment: str) -> list[str]:
    return [gpu.key for gpu in find({**os.environ, **environment}).gpus]


def test_all_gpus_of_a_machine(machine):
    machine(FOUR)
    assert visible() == keys() == [f"GPU-{number}aaa-bbb" for number in range(4)]


def test_a_card_that_drives_a_screen_comes_last(machine, tmp_path):
    machine("GPU 0: GT 710 (UUID: GPU-0)\nGPU 1: A100 (UUID: GPU-1)\nGPU 2: A100 (UUID: GPU-2)\n")
    assert visible() == ["GPU-0", "GPU-1", "GPU-2"]  # a driver that does not say more
    program = tmp_path / "programs" / "nvidia-smi"
    answer = "GPU-0, 3.5, 2048\\nGPU-1, 8.0, 40960\\nGPU-2, 8.0, 40960\\n"
    program.write_text(program.read_text() + f"case $1 in --query*) printf '{answer}';; esac\n")
    program.write_text(program.read_text().replace("; exit 0", ""))
    assert visible() == ["GPU-1", "GPU-2", "GPU-0"]


def test_where_no_lock_can_lie_no_gpu_is_claimed(machine, tmp_path, monkeypatch):
    machine(FOUR)
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(claims, "BASES", (tmp_path / "file", tmp_path / "file"))
    with place("auto", 1, 1) as own:
        assert own.gpu == ""
        assert own.warning("cpu").startswith("on the CPU, though a GPU was asked for: none is claimed: ")
    monkeypatch.setattr(claims, "BASES", (tmp_path / "file", tmp_path / "other"))
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    with place("auto", 1, 1) as own:
        assert own.gpu == os.environ.pop(listing.VARIABLE) == "GPU-0aaa-bbb"


def test_a_cut_card_is_its_parts(machine):
    machine(CUT)
    assert visible() == ["GPU-0aaa-bbb", "MIG-c6d4f1ef-42e4", "MIG-cba663e8-9bed"]


@pytest.mark.parametrize(
    ("restricted", "names", "locks"),
    [
        ("2", ["2"], ["GPU-2aaa-bbb"]),
        ("3, 0", ["3", "0"], ["GPU-3aaa-bbb", "GPU-0aaa-bbb"]),
        ("GPU-1a", ["GPU-1a"], ["GPU-1aaa-bbb"]),  # CUDA takes the beginning of a UUID
        ("0,7,1", ["0"], ["GPU-0aaa-bbb"]),  # and nothing after what there is not
        ("1,-1,2", ["1"], ["GPU-1aaa-bbb"]),
        ("", [], []),
        ("NoDevFiles", [], []),  # of SLURM, for a job without one
        ("GPU-9", [], []),
        ("MIG-GPU-1aaa-bbb/7/0", ["MIG-GPU-1aaa-bbb/7/0"], ["MIG-GPU-1aaa-bbb_7_0"]),
    ],
)
def test_within_what_is_visible(machine, restricted, names, locks):
    machine(FOUR)
    assert visible(CUDA_VISIBLE_DEVICES=restricted) == names
    assert keys(CUDA_VISIBLE_DEVICES=restricted) == locks


def test_a_part_of_a_card_by_its_name(machine):
    machine(CUT)
    assert keys(CUDA_VISIBLE_DEVICES="MIG-cba663e8-9bed") == ["MIG-cba663e8-9bed"]


@pytest.mark.parametrize("name", ["1", "GPU-1aaa-bbb"])
def test_of_a_cut_card_by_its_own_name_cuda_gives_the_first_part(machine, name):
    """So it is that part which is claimed, as by a job that names it."""
    machine(CUT)
    assert visible(CUDA_VISIBLE_DEVICES=name) == [name]
    assert keys(CUDA_VISIBLE_DEVICES=name) == ["MIG-c6d4f1ef-42e4"]


@pytest.mark.usefixtures("machine")
def test_a_container_with_devices_and_no_program(tmp_path):
    for name in ("nvidia0", "nvidia3", "nvidiactl", "nvidia-uvm"):
        (tmp_path / "dev" / name).mkdir(parents=True)
    assert visible() == ["0", "1"]


@pytest.mark.usefixtures("machine")
def test_two_jobs_of_a_cluster_do_not_wait_for_each_other_s_first_gpu():
    """Each has a GPU that it calls 0."""
    first, second = (keys(CUDA_VISIBLE_DEVICES="0", SLURM_JOB_ID=job) for job in ("11", "12"))
    assert first != second


def test_the_log_says_why_there_is_none(machine, monkeypatch):
    with place("auto", 1, 1) as own:
        assert own.said("cpu") == (
            "Warning: on the CPU, though a GPU was asked for: there is no nvidia-smi; device: cuda would refuse that"
        )
    machine("Failed to initialize NVML: Driver/library version mismatch", status=18)
    with place("auto", 1, 1) as own:
        assert "nvidia-smi says: Failed to initialize NVML" in own.warning("cpu")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with place("auto", 1, 1) as own:
        assert "CUDA_VISIBLE_DEVICES= names none" in own.warning("cpu")


@pytest.mark.parametrize(
    ("device", "gpu", "words"), [("cpu", 1, "device: cpu is set"), ("auto", 0, "it takes no GPU (gpu: 0)")]
)
def test_who_asks_for_none_claims_none(machine, device, gpu, words):
    machine(FOUR)
    with place(device, gpu, 1) as own:
        assert (own.gpu, own.said("cpu"), own.warning("cpu")) == ("", f"on the CPU: {words}", "")


class Jobs:
    """Processes that claim GPUs."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.processes: list[subprocess.Popen[str]] = []

    def start(self, per_gpu: int = 1, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", JOB, str(self.folder), str(per_gpu)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **environment},
        )
        self.processes.append(process)
        return process

    def claimed(self, per_gpu: int = 1, **environment: str) -> str:
        """The GPU that a further job has."""
        return gpu_of(self.start(per_gpu, **environment))


def gpu_of(process: subprocess.Popen[str]) -> str:
    """What CUDA sees in a job; waits until it has it."""
    return process.stdout.readline().partition("|")[0]


@pytest.fixture
def jobs(tmp_path):
    found = Jobs(tmp_path / "locks")
    yield found
    for process in found.processes:
        process.kill()
        with process:  # closes its pipes
            pass


def test_four_jobs_at_once_have_four_gpus(machine, jobs):
    machine(FOUR)
    started = [jobs.start() for _ in range(4)]
    assert sorted(map(gpu_of, started)) == [f"GPU-{number}aaa-bbb" for number in range(4)]


def test_a_fifth_waits_for_one_that_ends_however_it_ends(machine, jobs):
    machine(FOUR)
    first = [jobs.start() for _ in range(4)]
    held = [gpu_of(process) for process in first]
    fifth = jobs.start()
    said = fifth.stderr.readline()
    assert re.match(r"all GPUs are taken \(jobs_per_gpu: 1\): waiting for one; GPU-0aaa-bbb has process \d+ on ", said)
    assert all(f"process {process.pid} on" in said for process in first)
    time.sleep(1)
    assert fifth.poll() is None
    first[2].send_signal(signal.SIGKILL)
    assert gpu_of(fifth) == held[2]


def test_two_on_each_of_two_and_the_least_taken_first(machine, jobs):
    machine(FOUR)
    two = {"CUDA_VISIBLE_DEVICES": "1,3"}
    held = [jobs.claimed(2, **two) for _ in range(4)]
    assert held == ["1", "3", "1", "3"]
    for number in (0, 1):  # one is left on each; the further one of the first GPU ends too
        jobs.processes[number].stdin.close()
        jobs.processes[number].wait(60)
    jobs.processes[2].kill()
    jobs.processes[2].wait(60)
    assert jobs.claimed(2, **two) == "1"


def test_claims_of_a_run_that_allows_more_count_for_one_that_allows_one(machine, jobs):
    machine(FOUR)
    two = {"CUDA_VISIBLE_DEVICES": "0,1"}
    assert [jobs.claimed(2, **two) for _ in range(3)] == ["0", "1", "0"]
    jobs.processes[0].kill()  # which had the first place of the first GPU
    jobs.processes[0].wait(60)
    jobs.processes[1].kill()
    jobs.processes[1].wait(60)
    assert jobs.claimed(1, **two) == "1"


def test_names_of_one_gpu_are_one_claim(machine, jobs):
    """By UUID in one run, by index in another."""
    machine(FOUR)
    assert jobs.claimed() == "GPU-0aaa-bbb"
    assert jobs.claimed(CUDA_VISIBLE_DEVICES="0,1") == "1"


def test_the_first_line_of_the_log_says_which_and_why(machine, jobs):
    machine(FOUR)
    first, second = (jobs.start().stdout.readline().partition("|")[2] for _ in range(2))
    assert first == "on NVIDIA A100, GPU-0aaa-bbb: the least taken of 4 (as nvidia-smi lists them), with 0 other jobs\n"
    assert second.startswith("on NVIDIA A100, GPU-1aaa-bbb: ")
