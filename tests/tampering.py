"""Changes of files of a results folder, by somebody or by a disk."""

import json

from nasperf360.stages.experiment import checksummed


def put(*path, value):
    """A change of one value of a JSON file, by one who renews its digest where it has one."""

    def change(file):
        content = inner = json.loads(file.read_text())
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value
        if file.name in ("architecture.json", "result.json") and isinstance(content, dict):
            content = checksummed({key: value for key, value in content.items() if key != "sha256"})
        file.write_text(json.dumps(content))

    return change


def edited(file):
    """A value and its copy changed by hand."""
    content = json.loads(file.read_text())
    content["value"] = content["scores"]["value"] = 1.25
    file.write_text(json.dumps(content, indent=2, sort_keys=True))


def forged(file):
    """A value and its copy, by one who renews the digest."""
    edited(file)
    content = json.loads(file.read_text())
    del content["sha256"]
    file.write_text(json.dumps(checksummed(content)))


def append(file):
    file.write_bytes(file.read_bytes() + b"\n")
