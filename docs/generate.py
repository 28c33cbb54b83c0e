"""Write what is made from the sources: the table of config/README.md, the rule graph and the picture of README.md.

python docs/generate.py            write them
python docs/generate.py --check    fail, and say which, if they are out of date
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"


def config_table() -> str:
    """Every key of the configuration: type, default, meaning, what it reruns."""
    lines = ["| key | type | default | what it means | what a change reruns |", "|---|---|---|---|---|"]
    for key, entry in yaml.safe_load(SCHEMA.read_text())["properties"].items():
        kind = entry["type"] + (f": {', '.join(entry['enum'])}" if "enum" in entry else "")
        default = yaml.safe_dump(entry["default"], default_flow_style=True, width=10_000) if "default" in entry else ""
        default = default.removesuffix("\n").removesuffix("\n...")
        shown = f"`{default}`" if default else "by scale or run"
        lines.append(f"| `{key}` | {kind} | {shown} | {entry['description']} | {entry['reruns']} |")
    return "\n".join(lines)


def rule_graph() -> str:
    """The rules of the study as a Mermaid graph."""
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--rulegraph",
        "mermaid-js",
        "--config",
        "run=rule-graph",
        "--",
        "all",
    ]
    graph = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    # Snakemake numbers and orders the rules anew at each call: name and sort them.
    names = dict(re.findall(r"(id\d+)\[(\w+)\]", graph))
    edges = sorted(f"    {names[left]} --> {names[right]}" for left, right in re.findall(r"(id\d+) --> (id\d+)", graph))
    return "\n".join(["```mermaid", "flowchart TB", *edges, "```"])


def picture() -> bytes:
    """Figure 1, recomputed from the paper's printed results."""
    name = "results/reference/figures/profiles_settings.png"
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--quiet", "all", "--", name]
    subprocess.run(command, cwd=ROOT, check=True)
    return (ROOT / name).read_bytes()


def replace(text: str, name: str, content: str) -> str:
    """``text`` with the part between the markers of ``name`` replaced."""
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    return re.sub(f"{begin}.*{end}", lambda _: f"{begin}\n{content}\n{end}", text, flags=re.DOTALL)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    made = {ROOT / "docs" / "profiles_settings.png": picture()}
    for path, name, make in (
        (ROOT / "config" / "README.md", "keys", config_table),
        (ROOT / "README.md", "rule graph", rule_graph),
    ):
        made[path] = replace(path.read_text(), name, make()).encode()
    stale = [path for path, content in made.items() if not path.exists() or path.read_bytes() != content]
    if not check:
        for path in stale:
            path.write_bytes(made[path])
    if check and stale:
        names = ", ".join(path.relative_to(ROOT).as_posix() for path in stale)
        print(f"out of date: {names}; run python docs/generate.py", file=sys.stderr)
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
