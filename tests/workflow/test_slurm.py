"""The project itself through its profile for SLURM, on a real SLURM of one node with fake GPUs.

Torch sees none of these, so the jobs that have one compute on the CPU, where the profile's ``device: cuda`` is taken
out; what a job was given stands in its ``cost.json``.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest
import yaml
from checkout import Checkout, environment
from killing import reproducible

from services.slurm import Slurm, slurm, unavailable

pytestmark = pytest.mark.slow

IMPATIENT = str(Path(__file__).with_name("impatient"))
LONG = "retrain/satellite/wrn-default/0"
# Long enough to be ended several times.
LONGER = ("tasks=[satellite]", "methods=[wrn-default]", "retrain={wrn: {all: {epochs: 75, batch_size: 64}}}")
# By the number of GPUs: the study, and how many of its searches and trainings want one.
STUDIES = {
    1: (("tasks=[satellite,darcy]", "methods=[wrn-default,densenas-original]", "seeds=[0]"), 2 + 4),
    2: (("tasks=[satellite]", "methods=[wrn-default]", "seeds=[0,1]"), 2),
}


class Cluster(NamedTuple):
    """A running SLURM and the checkout whose jobs it gets."""

    checkout: Checkout
    slurm: Slurm

    def command(self, target: str, run: str, *config: str, profile: str) -> list[str]:
        return [
            *(sys.executable, "-m", "snakemake", "--workflow-profile", f"profiles/{profile}"),
            *("--configfile", "small.yaml", "--config", f"run={run}", "data_run=local", *config),
            *(["--unlock"] if target == "--unlock" else ["--", target]),
        ]

    def start(self, *arguments: str, **options: str) -> subprocess.Popen[str]:
        """Snakemake, whose jobs become SLURM's."""
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        return subprocess.Popen(
            self.command(*arguments, **options),
            cwd=self.checkout.folder,
            env={**environment(IMPATIENT), "PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def snakemake(self, *arguments: str, status: int = 0, **options: str) -> str:
        process = self.start(*arguments, **options)
        try:
            output = process.communicate(timeout=900)[0]
        finally:
            process.kill()
        assert process.returncode == status, output[-6000:]
        return output

    def jobs(self) -> dict[str, dict[str, str]]:
        """What SLURM knows of each job, ended or not, by its number."""
        lines = asked("scontrol", "--oneliner", "show", "jobs").splitlines()
        found = [dict(re.findall(r"(\S+?)=(\S*)", line)) for line in lines]
        return {job["JobId"]: job for job in found}

    def profile(self, name: str, device: str = "auto", retries: int = 5, **resources: Any) -> None:
        """A copy of the profile, as a user makes one, with other resources of trainings."""
        profiles = self.checkout.folder / "profiles"
        content = yaml.safe_load((profiles / "slurm" / "profile.yaml").read_text())
        content |= {
            "slurm-init-seconds-before-status-checks": 1,
            "slurm-no-account": True,
            "latency-wait": 5,
            "retries": retries,
        }
        for rule in ("search", "retrain"):
            content["set-resources"][rule]["device"] = device
        content["set-resources"]["retrain"] |= resources
        (profiles / name).mkdir()
        (profiles / name / "profile.yaml").write_text(yaml.safe_dump(content))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Checkout:
    """A checkout with data."""
    if reason := unavailable():
        pytest.skip(reason)
    checkout = Checkout(tmp_path_factory.mktemp("local") / "checkout")
    checkout.snakemake("--cores", "2", "datasets", config=("run=local",))
    return checkout


@pytest.fixture(scope="module")
def calm(prepared) -> dict[str, bytes]:
    """The long training, made without SLURM and undisturbed."""
    config = ("run=calm", "data_run=local", *LONGER)
    prepared.snakemake("--cores", "1", f"results/calm/{LONG}/cost.json", config=config)
    return reproducible(prepared.folder / "results" / "calm" / LONG)


@contextlib.contextmanager
def running(checkout: Checkout, folder: Path, gpus: int) -> Iterator[Cluster]:
    with slurm(folder / "slurm", gpus=gpus, cpus=4) as found:
        try:
            yield Cluster(checkout, found)
        finally:
            for process in working_in(checkout.folder):  # what a failed test leaves, and SLURM where it has no cgroups
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()


@pytest.fixture
def cluster(prepared, tmp_path_factory):
    with running(prepared, tmp_path_factory.mktemp("one"), gpus=1) as found:
        yield found


def working_in(folder: Path) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.cwd() == str(folder):
                yield process


def script_in(folder: Path) -> psutil.Process | None:
    """The script of a training that works there."""
    for process in working_in(folder):
        with contextlib.suppress(psutil.Error):
            program, *words = process.cmdline() or [""]  # not the shell that has started it
            if "python" in program and any(".retrain.py" in word for word in words):
                return process
    return None


def said_in(log: Path) -> str:
    """What it says; nothing while there is none: Snakemake removes it before the next attempt."""
    with contextlib.suppress(FileNotFoundError):
        return log.read_text(encoding="utf-8")
    return ""


def begun(log: Path, resumed: bool) -> bool:
    """Whether the last attempt, whose log it is, trains now."""
    text = said_in(log)
    return ("resumed after" if resumed else "0%|") in text and "Error" not in text


def jobs_in(state: str) -> set[str]:
    return set(asked("squeue", "-h", "-t", state, "-o", "%i").split())


def nearly_over(job: str) -> bool:
    """Whether the time of a job that SLURM runs is, or the job itself."""
    left = asked("squeue", "-h", "-t", "RUNNING", "-j", job, "-o", "%L").strip()
    minutes, _, seconds = left.rpartition(":")
    return not left or 60 * int(minutes or 0) + int(seconds) < 18


def asked(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def until(condition: Callable[[], Any], process: subprocess.Popen[str]) -> Any:
    """Wait for it as long as Snakemake runs."""
    while not (found := condition()):
        assert process.poll() is None, process.communicate()[0][-6000:]
        time.sleep(0.1)
    return found


@contextlib.contextmanager
def asking_nothing(process: subprocess.Popen[str]) -> Iterator[None]:
    """Snakemake does not ask SLURM within, and is not in the middle of it."""
    snakemake = psutil.Process(process.pid)
    while snakemake.suspend() or snakemake.children():
        snakemake.resume()
        time.sleep(0.05)
    try:
        yield
    finally:
        snakemake.resume()


def made_by(checkout: Checkout, run: str) -> dict[str, bytes]:
    """All that the experiments of a run made, but for what it cost."""
    folder = checkout.folder / "results" / run
    paths = [path for stage in ("search", "retrain", "evaluate") for path in (folder / stage).rglob("*.*")]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths if path.name != "cost.json"}


def gpu_jobs(cluster: Cluster, run: str) -> list[tuple[str, datetime, datetime]]:
    """GPU, beginning and end of each job that had one, by SLURM's own account."""
    folder, jobs, found = cluster.checkout.folder / "results" / run, cluster.jobs(), []
    for stage in ("search", "retrain"):
        for path in (folder / stage).rglob("cost.json"):
            cost = json.loads(path.read_text())
            job = jobs[cost["job"]]
            if cost["gpu"]:
                found.append((cost["gpu"], *(datetime.fromisoformat(job[name]) for name in ("StartTime", "EndTime"))))
    return sorted(found, key=lambda job: job[1])


@pytest.mark.parametrize("gpus", STUDIES)
def test_a_study_on_a_cluster_is_that_of_one_machine(prepared, tmp_path_factory, gpus):
    run, (config, wanting) = f"cluster-{gpus}", STUDIES[gpus]
    prepared.snakemake("--cores", "2", "evaluations", config=("run=local", *config))
    with running(prepared, tmp_path_factory.mktemp("slurm"), gpus) as cluster:
        cluster.profile(run)
        cluster.snakemake("evaluations", run, *config, profile=run)
        jobs = gpu_jobs(cluster, run)
    assert len(jobs) == wanting
    together = [(one, other) for one in jobs for other in jobs if one is not other and one[1] <= other[1] < one[2]]
    assert bool(together) == (gpus == 2), jobs
    assert all(one[0] != other[0] for one, other in together), jobs
    found, expected = made_by(prepared, run), made_by(prepared, "local")
    assert len([path for path in found if path.endswith("result.json")]) == {1: 4, 2: 2}[gpus]
    assert found == {path: expected[path] for path in found}


def test_a_training_lives_on_limits_shorter_than_it(cluster, calm):
    """Warned before its time is over a job saves, ends, and its next attempt goes on; it asks for no more time."""
    cluster.profile("short", retries=20, runtime=1, slurm_extra="'--signal=USR1@20'")
    folder = cluster.checkout.folder
    log = folder / f"results/short/logs/{LONG}.log"
    process = cluster.start(f"results/short/{LONG}/cost.json", "short", *LONGER, profile="short")
    # Held up until its time is nearly over, however quick the machine is. SLURM warns up to a minute early.
    script = until(lambda: begun(log, resumed=False) and script_in(folder), process)
    (job,) = jobs_in("RUNNING")
    script.suspend()
    until(lambda: nearly_over(job), process)
    with contextlib.suppress(psutil.NoSuchProcess):  # to be warned wakes it too
        script.resume()
    output = process.communicate(timeout=600)[0]
    assert process.returncode == 0, output[-6000:]
    jobs = [job for job in cluster.jobs().values() if job.get("TresPerJob")]
    assert len(jobs) >= 2
    assert {job["TimeLimit"] for job in jobs} == {"00:01:00"}
    warned = "interrupted by SIGUSR1; the same command goes on after epoch " in output
    assert warned or "TIMEOUT" in {job["JobState"] for job in jobs}
    assert json.loads((folder / f"results/short/{LONG}/cost.json").read_text())["attempts"] >= 2
    assert reproducible(folder / f"results/short/{LONG}") == calm


def test_killed_cancelled_and_left_alone_it_ends_in_the_same_bytes(cluster, calm):
    """A job killed as by lack of memory, one cancelled, and Snakemake killed: then the same command."""
    cluster.profile("disturbed")
    folder, run = cluster.checkout.folder, "disturbed"
    arguments = (f"results/{run}/{LONG}/cost.json", run, *LONGER, "checkpoint_seconds=0.5")
    log = folder / f"results/{run}/logs/{LONG}.log"
    process = cluster.start(*arguments, profile="disturbed")

    try:
        until((folder / f"results/{run}/checkpoints/{LONG}/state.pt").exists, process)
        (first,) = jobs_in("RUNNING")
        script_in(folder).send_signal(signal.SIGKILL)
        (second,) = until(lambda: jobs_in("RUNNING") - {first}, process)
        assert "mem=32384M" in asked("scontrol", "show", "job", second)  # it may have been for lack of memory
        until(lambda: begun(log, resumed=True), process)
        asked("scancel", second)
        (third,) = until(lambda: jobs_in("RUNNING") - {first, second}, process)
        assert "mem=32384M" in asked("scontrol", "show", "job", third)  # to be cancelled is no lack of it
        until(lambda: begun(log, resumed=True), process)
    finally:
        process.kill()
        output = process.communicate()[0]
    assert "interrupted by SIGTERM; the same command goes on after epoch " in output
    cluster.snakemake("--unlock", run, *LONGER, profile="disturbed")
    cluster.snakemake(*arguments, profile="disturbed")
    cost = json.loads((folder / f"results/{run}/{LONG}/cost.json").read_text())
    assert cost["attempts"] >= 3
    assert reproducible(folder / f"results/{run}/{LONG}") == calm


def test_the_job_of_a_lost_node_goes_on(cluster, calm):
    """Its node is gone with all that it ran and set down; the next attempt begins where there is a node again."""
    cluster.profile("lost")
    folder, run = cluster.checkout.folder, "lost"
    process = cluster.start(f"results/{run}/{LONG}/cost.json", run, *LONGER, "checkpoint_seconds=0.5", profile=run)
    try:
        until((folder / f"results/{run}/checkpoints/{LONG}/state.pt").exists, process)
        (first,) = jobs_in("RUNNING")
        cluster.slurm.lose_node()
        (second,) = until(lambda: jobs_in("PENDING"), process)
        cluster.slurm.start_node()
        output = process.communicate(timeout=600)[0]
    finally:
        process.kill()
    assert process.returncode == 0, output[-6000:]
    jobs = cluster.jobs()
    assert (jobs[first]["JobState"], jobs[second]["JobState"]) == ("NODE_FAIL", "COMPLETED")
    assert begun(folder / f"results/{run}/logs/{LONG}.log", resumed=True)
    assert reproducible(folder / f"results/{run}/{LONG}") == calm


@pytest.mark.parametrize("ended", [False, True])
def test_jobs_take_no_notice_of_a_killed_controller(prepared, tmp_path_factory, calm, ended):
    """Neither does Snakemake, if the controller is back before it asks; or it is ended, and the same command given.

    Then a second job waits until the first, which still works, is over.
    """
    folder, run = prepared.folder, f"controller-{ended}".lower()
    arguments = (f"results/{run}/{LONG}/cost.json", run, *LONGER, "checkpoint_seconds=0.5")
    with running(prepared, tmp_path_factory.mktemp("two"), gpus=2) as cluster:
        cluster.profile(run)
        process = cluster.start(*arguments, profile=run)
        try:
            until((folder / f"results/{run}/checkpoints/{LONG}/state.pt").exists, process)
            (first,), script = jobs_in("RUNNING"), script_in(folder)
            script.suspend()  # it lasts longer than what follows
            cluster.slurm.write_down(first)
            if ended:
                cluster.slurm.kill_controller()
                process.kill()
                cluster.slurm.start_controller()
                cluster.snakemake("--unlock", run, *LONGER, profile=run)
                process = cluster.start(*arguments, profile=run)
                log = folder / f"results/{run}/logs/{LONG}.log"
                until(lambda: f"process {script.pid} on " in said_in(log), process)
            else:
                with asking_nothing(process):
                    cluster.slurm.kill_controller()
                    cluster.slurm.start_controller()
            script.resume()
            output = process.communicate(timeout=600)[0]
        finally:
            process.kill()
        assert process.returncode == 0, output[-6000:]
        while jobs_in("RUNNING,COMPLETING"):  # the first, of which this Snakemake knows nothing
            time.sleep(0.1)
        states = [job["JobState"] for job in cluster.jobs().values() if job.get("TresPerJob")]
    assert states == ["COMPLETED"] * (1 + ended)
    assert reproducible(folder / f"results/{run}/{LONG}") == calm


def test_what_would_fail_again_is_not_tried_again(cluster):
    """A loss that diverges: the retry says so at once, and asks for next to nothing."""
    cluster.profile("strict", retries=1)
    steep = ("tasks=[satellite]", "methods=[wrn-default]", "retrain={wrn: {satellite: {lr: 1.0e+30}}}")
    output = cluster.snakemake(f"results/strict/{LONG}/cost.json", "strict", *steep, profile="strict", status=1)
    failure = json.loads((cluster.checkout.folder / f"results/strict/{LONG}/failure.json").read_text())
    assert failure["kind"] == "diverged"
    assert f"Error: {failure['reason']} (said by the last attempt; nothing was done again)" in output
    first, second = [job for job in cluster.jobs().values() if job["JobState"] == "FAILED"]
    assert (first["TimeLimit"], first.get("TresPerJob")) == ("2-00:00:00", "gres:gpu:1")
    assert (second["TimeLimit"], second.get("TresPerJob")) == ("00:10:00", None)


def test_another_node_may_have_a_gpu(cluster):
    """Torch sees none on this one, where the profile asks for one: the retry asks for the same."""
    cluster.profile("cuda", device="cuda", retries=1)
    cluster.snakemake(f"results/cuda/{LONG}/cost.json", "cuda", *LONGER, profile="cuda", status=1)
    failure = json.loads((cluster.checkout.folder / f"results/cuda/{LONG}/failure.json").read_text())
    assert failure["reason"] == "device: cuda is asked for, but torch sees no GPU here; set device: auto or cpu"
    assert failure["kind"] == "device"
    found = [
        (job["TimeLimit"], job.get("TresPerJob")) for job in cluster.jobs().values() if job["JobState"] == "FAILED"
    ]
    assert found == [("2-00:00:00", "gres:gpu:1")] * 2
