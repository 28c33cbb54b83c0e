"""Only downloads and publications need a network: without one, not even loopback, all else runs."""

import subprocess

import pytest
from checkout import Checkout, environment

EMPTY = ("unshare", "--map-root-user", "--net")


def _has_namespaces() -> bool:
    try:
        return subprocess.run([*EMPTY, "true"], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(not _has_namespaces(), reason="this user may not make a network namespace")
def test_a_study_of_simulated_data_runs_where_there_is_no_network(tmp_path):
    checkout = Checkout(tmp_path / "checkout")
    command = checkout.command("--cores", "1", config=("tasks=[satellite]", "methods=[wrn-default]"))
    for run in (command, [*command, "-n"]):
        done = subprocess.run(
            [*EMPTY, *run], cwd=checkout.folder, env=environment(), capture_output=True, text=True, timeout=600
        )
        assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    assert "Nothing to be done" in done.stdout + done.stderr
    assert (checkout.folder / "results/small/report/index.html").is_file()
