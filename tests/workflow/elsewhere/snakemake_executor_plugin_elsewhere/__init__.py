"""Jobs as on Kubernetes or AWS Batch: each begins in an empty folder, fetches workflow and inputs, and stores outputs.

``ELSEWHERE`` names the folder that holds these folders, and ``ELSEWHERE_PYTHONPATH`` what their Python finds: nothing
of the machine that submits. All else is Snakemake's own way to run a job without a shared file system.
"""

import os
import subprocess
import tempfile
from pathlib import Path

from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
from snakemake_interface_executor_plugins.settings import CommonSettings

common_settings = CommonSettings(
    non_local_exec=True,
    implies_no_shared_fs=True,
    job_deploy_sources=True,
    pass_envvar_declarations_to_cmd=False,
    auto_deploy_default_storage_provider=False,  # it is in their Python
)


class Executor(RemoteExecutor):
    def run_job(self, job):
        folder = Path(tempfile.mkdtemp(prefix=f"{job.rule.name}-", dir=os.environ["ELSEWHERE"]))
        with open(folder.with_suffix(".log"), "wb") as log:
            process = subprocess.Popen(
                ["bash", "-c", self.format_job_exec(job)],
                cwd=folder,
                env={**os.environ, "PYTHONPATH": os.environ["ELSEWHERE_PYTHONPATH"]},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.report_job_submission(SubmittedJobInfo(job, external_jobid=str(process.pid), aux={"process": process}))

    async def check_active_jobs(self, active_jobs):
        self.next_seconds_between_status_checks = 0.2
        for info in active_jobs:
            status = info.aux["process"].poll()
            if status is None:
                yield info
            elif status == 0:
                self.report_job_success(info)
            else:
                self.report_job_error(info)

    def cancel_jobs(self, active_jobs):
        for info in active_jobs:
            info.aux["process"].terminate()
