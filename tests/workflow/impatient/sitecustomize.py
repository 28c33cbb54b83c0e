"""Snakemake asks SLURM for its jobs each second; else ten seconds later each time that none has ended.

Python loads it where this folder is on ``PYTHONPATH``.
"""

import asyncio
import sys

if sys.orig_argv[1:3] == ["-m", "snakemake"]:
    from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

    async def sleep(self):
        await asyncio.sleep(1)

    RemoteExecutor.sleep = sleep
