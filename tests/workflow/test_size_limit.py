"""What a searched network's size limits is drawn again until it fits the network of its own seed."""

import csv
import json

import pytest
import yaml
from checkout import SMALL, Checkout

pytestmark = pytest.mark.slow

SEEDS = (0, 3)  # whose searched networks differ in size


def test_each_seed_is_limited_by_its_own_searched_network(tmp_path):
    checkout = Checkout(tmp_path / "checkout")
    config = yaml.safe_load(SMALL.read_text())
    config |= {"tasks": ["satellite"], "methods": ["densenas-original", "densenas-random"], "seeds": list(SEEDS)}
    config["method_definitions"]["densenas-random"]["size_limit"]["slack"] = 0
    config["search"]["random"]["all"]["trials"] = 6
    (checkout.folder / "two.yaml").write_text(yaml.safe_dump(config))
    folders = [f"results/small/search/satellite/densenas-random/{seed}" for seed in SEEDS]
    checkout.snakemake("--cores", "1", *(f"{folder}/architecture.json" for folder in folders), file="two.yaml")
    limits, largest = [], []
    for folder in (checkout.folder / name for name in folders):
        searched = folder.parents[1] / "densenas-original" / folder.name / "architecture.json"
        limits.append(json.loads(searched.read_text())["parameters"])
        content = json.loads((folder / "architecture.json").read_text())
        assert content["provenance"]["settings"]["limit"] == limits[-1]
        drawn = [float(row["parameters"]) for row in csv.DictReader((folder / "history.csv").open())]
        assert len(drawn) == 6
        assert content["parameters"] in drawn
        assert max(drawn) <= limits[-1]
        largest.append(max(drawn))
    # The test could fail: under the other seed's limit some of these would not have been drawn.
    assert min(limits) < max(largest), (limits, largest)
