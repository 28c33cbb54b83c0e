"""Every job rule keeps to what makes reruns exact; a rule that does not is found."""

import pytest
from checkout import ROOT
from guard import LOADERS, faults, read

from nasperf360.settings.yaml_files import read_yaml
from nasperf360.study import configuration


@pytest.mark.parametrize("source", ["simulated", "original", "benchmark", "published"])
@pytest.mark.parametrize("partial", [False, True])
def test_every_rule_of_the_workflow(tmp_path, monkeypatch, source, partial):
    monkeypatch.chdir(ROOT)
    given = {"source": source, "partial": partial, "run": "guarded", "publish": {"bucket": "b", "prefix": "p"}}
    workflow = read(ROOT / "Snakefile", given)
    names = {rule.name for rule in workflow.rules if not rule.norun}
    assert names >= {"collect_results", "performance_table", "draw_figure"}
    assert partial or names >= {"download", "search", "retrain", "evaluate", "publish"}
    config = configuration.resolve({**read_yaml(ROOT / "config" / "config.yaml"), **given})
    assert faults(workflow, config) == []


RULES = {
    "no digest": 'params: a=1\n    script: "a.py"',
    "another script's digest": 'params: a="b.py@01234567"\n    script: "a.py"',
    "whole config": 'params: a=config, code="a.py@01234567"\n    script: "a.py"',
    "whole section": 'params: a=lambda wildcards: config["retrain"], code="a.py@01234567"\n    script: "a.py"',
    "whole section, by another name": 'params: a=lambda w: config["retrain"], code="a.py@01234567"\n    script: "a.py"',
    "untracked": 'params: a=lambda wildcards, input: input[0], code="a.py@01234567"\n    script: "a.py"',
    "not comparable": 'params: a=object(), code="a.py@01234567"\n    script: "a.py"',
    "shell": 'params: code="a.py@01234567"\n    shell: "if true; then touch {output}; fi"',
    "run": 'params: code="a.py@01234567"\n    run: open(output[0], "w").close()',
}


@pytest.mark.parametrize("name", RULES)
def test_a_bad_rule_is_found(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.py").write_text("")
    config = {"retrain": {"wrn": {"epochs": 1}, "densenas": {"epochs": 2}}, "seeds": [0, 1]}
    (tmp_path / "Snakefile").write_text(f'rule made:\n    output: "x"\n    log: "l"\n    {RULES[name]}\n')
    found = faults(read(tmp_path / "Snakefile", config), config)
    assert len(found) == 1
    assert found[0].startswith("made: ")


def test_what_is_tracked_by_its_digest_may_be_untracked_itself(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.py").write_text("")
    params = 'code="a.py@01234567", a=lambda wildcards, output: {"b": 1}, a_sha256=lambda wildcards: "0123"'
    rule = f'rule made:\n    output: "x"\n    log: "l"\n    params: {params}\n    script: "a.py"\n'
    (tmp_path / "Snakefile").write_text(rule)
    assert faults(read(tmp_path / "Snakefile", {}), {}) == []


@pytest.mark.parametrize("loader", LOADERS)
def test_a_file_loaded_by_name_that_no_digest_names_is_found(tmp_path, monkeypatch, loader):
    wildcard, file = LOADERS[loader]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.py").write_text("")
    rule = (
        f'rule made:\n    output: "{{{wildcard}}}"\n    log: "{{{wildcard}}}.log"\n    params:\n'
        f'        code=["a.py@01234567", "{loader}@01234567"],\n'
        f"        named=lambda w: ['{file}@01234567'],\n"
        '    script: "a.py"\n'
    )
    (tmp_path / "Snakefile").write_text(rule)
    assert faults(read(tmp_path / "Snakefile", {}), {}) == []
    (tmp_path / "Snakefile").write_text("".join(line for line in rule.splitlines(True) if "named=" not in line))
    found = faults(read(tmp_path / "Snakefile", {}), {})
    assert found == [f"made: no param holds the code digest of {file}"]


def test_a_script_that_reads_the_configuration_is_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.py").write_text("print(snakemake.config)\n")
    rule = 'rule made:\n    output: "x"\n    log: "l"\n    params: code="a.py@01234567"\n    script: "a.py"\n'
    (tmp_path / "Snakefile").write_text(rule)
    assert "past its params" in faults(read(tmp_path / "Snakefile", {}), {})[0]
