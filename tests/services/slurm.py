"""A real SLURM of one node on loopback with fake GPUs, of the Debian packages slurm-wlm and munge.

Needs root: munge's and SLURM's daemons, device nodes that stand for GPUs, and a link at /etc/slurm/slurm.conf, because
Snakemake's job step drops SLURM_CONF from the environment of jobs. While that link points to a SLURM that is down every
start of Snakemake takes 9 s more, so it is removed for certain.
"""

import os
import shutil
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

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


@contextmanager
def slurm(folder: Path, gpus: int = 1, cpus: int = 2) -> Iterator[None]:
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
        _start(folder)
        yield
    finally:
        SYSTEM_CONFIG.unlink(missing_ok=True)
        for daemon in ("slurmd", "slurmctld", "munged"):
            _stop(folder / "run" / f"{daemon}.pid")


def _write_configuration(folder: Path, gpus: int, cpus: int) -> None:
    host = socket.gethostname().split(".")[0]
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


def _start(folder: Path) -> None:
    run = folder / "run"
    munge = [f"--{key}={run}/{file}" for key, file in (("key-file", "munge.key"), ("socket", "munge.sock"))]
    munge += [f"--pid-file={run}/munged.pid", f"--seed-file={run}/munged.seed", f"--log-file={folder}/log/munged.log"]
    subprocess.run(["munged", "--force", "--num-threads=2", *munge], check=True, timeout=START_SECONDS)
    for daemon in ("slurmctld", "slurmd"):
        subprocess.run([daemon, "-f", folder / "slurm.conf"], check=True, timeout=START_SECONDS)
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        state = subprocess.run(["sinfo", "-h", "-o", "%T"], capture_output=True, text=True, timeout=START_SECONDS)
        if state.stdout.strip() == "idle":
            return
        time.sleep(0.1)
    logs = "\n".join(log.read_text()[-1000:] for log in sorted((folder / "log").glob("*.log")))
    raise RuntimeError(f"SLURM did not start:\n{logs}")


def _stop(pid_file: Path) -> None:
    if not pid_file.is_file() or not pid_file.read_text(encoding="utf-8").strip():
        return
    pid = int(pid_file.read_text(encoding="utf-8"))
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
        for _ in range(50):
            time.sleep(0.1)
            os.kill(pid, 0)
        os.kill(pid, signal.SIGKILL)
