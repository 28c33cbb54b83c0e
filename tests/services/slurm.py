"""A real SLURM of one node on loopback with fake GPUs, of the Debian packages slurm-wlm and munge.

Needs root: munge's and SLURM's daemons, device nodes that stand for GPUs, and a link at /etc/slurm/slurm.conf, because
Snakemake's job step drops SLURM_CONF from the environment of jobs. While that link points to a SLURM that is down every
start of Snakemake takes 9 s more, so it is removed for certain.
"""

import os
import shutil
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

SYSTEM_CONFIG = Path("/etc/slurm/slurm.conf")
PROGRAMS = ("sbatch", "squeue", "scancel", "slurmctld", "slurmd", "munged")
START_SECONDS = 30
MEMORY_MB = 64_000  # what the node says it has, so that profiles for real machines run; nothing enforces it


def unavailable() -> str | None:
    """Why no SLURM can be started here, or None."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        return f"no {', '.join(missing)} (apt-get install --no-install-recommends slurm-wlm munge)"
    if os.geteuid() != 0:
        return "starting SLURM's daemons needs root"
    if SYSTEM_CONFIG.exists():
        return f"{SYSTEM_CONFIG} exists: this machine has a SLURM already"
    return None


@dataclass
class Slurm:
    """A running SLURM, of which parts may fail."""

    folder: Path

    def kill_controller(self) -> None:
        """At once, as by a loss of power."""
        _kill([psutil.Process(_pid(self.folder / "run/slurmctld.pid"))])

    def start_controller(self) -> None:
        """With what it had written down."""
        _start_daemon(self.folder, "slurmctld")
        self._until(lambda: _said("sinfo", "-h"))

    def write_down(self, job: str) -> None:
        """Wait until the controller, if it died now, would know that the job runs: it writes each few seconds."""
        _said("scontrol", "update", f"JobId={job}", "Comment=written-down")
        self._until(lambda: b"written-down" in (self.folder / "state/job_state").read_bytes())

    def lose_node(self) -> None:
        """Its daemon and all that it runs are gone at once; an administrator sets it down."""
        _kill([psutil.Process(_pid(self.folder / "run/slurmd.pid")), *_of_jobs()])
        _said("scontrol", "update", f"NodeName={_host()}", "State=down", "Reason=lost")

    def start_node(self) -> None:
        """It reports itself, and takes jobs."""
        _start_daemon(self.folder, "slurmd")
        self._until(lambda: _said("sinfo", "-h", "-o", "%T") in ("idle", "mixed", "allocated"))

    def start(self) -> None:
        """All of it."""
        run = self.folder / "run"
        munge = [f"--{key}={run}/{file}" for key, file in (("key-file", "munge.key"), ("socket", "munge.sock"))]
        munge += [f"--pid-file={run}/munged.pid", f"--seed-file={run}/munged.seed"]
        munge += [f"--log-file={self.folder}/log/munged.log"]
        subprocess.run(["munged", "--force", "--num-threads=2", *munge], check=True, timeout=START_SECONDS)
        self.start_controller()
        self.start_node()

    def _until(self, condition: Callable[[], bool | str]) -> None:
        end = time.monotonic() + START_SECONDS
        while not condition():
            if time.monotonic() > end:
                logs = "\n".join(log.read_text()[-1000:] for log in sorted((self.folder / "log").glob("*.log")))
                raise RuntimeError(f"SLURM does not do what it should:\n{logs}")
            time.sleep(0.1)


def _said(*command: str) -> str:
    """What a program prints; nothing where it fails, as it does where no controller answers."""
    return subprocess.run(command, capture_output=True, text=True, timeout=START_SECONDS).stdout.strip()


def _of_jobs() -> list[psutil.Process]:
    """The daemon of each step of a job, and all below it."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            if " ".join(process.cmdline()).startswith("slurmstepd: "):
                found += [process, *process.children(recursive=True)]
    return found


def _kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=START_SECONDS)


@contextmanager
def slurm(folder: Path, gpus: int = 1, cpus: int = 2) -> Iterator[Slurm]:
    """A running SLURM with partition ``main``; its daemons are killed and its link removed at the end."""
    folder = folder.resolve()
    for name in ("state", "spool", "log", "run", "dev"):
        (folder / name).mkdir(parents=True)
    folder.chmod(0o755)
    for gpu in range(gpus):  # SLURM takes devices only: clones of /dev/null
        os.mknod(folder / "dev" / f"gpu{gpu}", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    _write_configuration(folder, gpus, cpus)
    (folder / "run/munge.key").write_bytes(os.urandom(1024))
    (folder / "run/munge.key").chmod(0o400)
    SYSTEM_CONFIG.parent.mkdir(parents=True, exist_ok=True)
    SYSTEM_CONFIG.symlink_to(folder / "slurm.conf")
    try:
        running = Slurm(folder)
        running.start()
        yield running
    finally:
        SYSTEM_CONFIG.unlink(missing_ok=True)
        for daemon in ("slurmd", "slurmctld", "munged"):
            _stop(folder / "run" / f"{daemon}.pid")
        _kill(_of_jobs())


def _host() -> str:
    return socket.gethostname().split(".")[0]


def _write_configuration(folder: Path, gpus: int, cpus: int) -> None:
    host = _host()
    controller, daemon, first = _free_ports()
    (folder / "gres.conf").write_text(f"NodeName={host} Name=gpu Type=fake File={folder}/dev/gpu[0-{gpus - 1}]\n")
    (folder / "cgroup.conf").write_text("CgroupAutomount=no\n")
    (folder / "slurm.conf").write_text(f"""\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/run/munge.sock
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmctldPort={controller}
SlurmdPort={daemon}
SrunPortRange={first}-{first + 99}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/slurmd.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/log/jobs.txt
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
MinJobAge=3600
JobRequeue=0
KillWait=5
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0,sched_min_interval=50000
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 Sockets=1 CoresPerSocket={cpus} ThreadsPerCore=1 RealMemory={MEMORY_MB} \
Gres=gpu:fake:{gpus} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO DefMemPerCPU=512
""")


def _free_ports() -> tuple[int, int, int]:
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        return one.getsockname()[1], two.getsockname()[1], 16900


def _start_daemon(folder: Path, name: str) -> None:
    subprocess.run([name, "-f", folder / "slurm.conf"], check=True, timeout=START_SECONDS)


def _stop(pid_file: Path) -> None:
    with suppress(FileNotFoundError, ValueError, psutil.NoSuchProcess):
        daemon = psutil.Process(_pid(pid_file))
        daemon.terminate()
        _, alive = psutil.wait_procs([daemon], timeout=5)
        _kill(alive)


def _pid(pid_file: Path) -> int:
    return int(pid_file.read_text(encoding="utf-8"))
