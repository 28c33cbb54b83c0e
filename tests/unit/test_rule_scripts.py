"""Scripts of rules are read once per run, and are to Snakemake what they would be if it read them each time."""

from snakemake.script import get_source
from snakemake.sourcecache import LocalSourceFile, SourceCache

from nasperf360.stages.rule_scripts import read_once


def test_a_script_is_read_once_and_stays_as_it_is(tmp_path, monkeypatch):
    script = tmp_path / "scripts" / "search.py"
    for name in ("rules", "scripts"):
        (tmp_path / name).mkdir()
    script.write_text('"""ü"""\n', encoding="utf-8")
    rules = LocalSourceFile(str(tmp_path / "rules"))
    plain, quick = (SourceCache(tmp_path / name) for name in ("plain", "quick"))
    opened, real = [], quick._open
    monkeypatch.setattr(
        quick, "_open", lambda file, *others, **more: opened.append(file) or real(file, *others, **more)
    )
    read_once(quick)

    def found(cache):
        file, source, language, is_local, path = get_source("../scripts/search.py", cache, rules, {}, {})
        assert cache.exists(file)
        with cache.open(file, "rb") as stream:
            return file, source, language, is_local, path.rpartition("/")[2], stream.readline()

    expected = found(plain)
    assert expected[1] == '"""ü"""\n'
    assert [found(quick) for _ in range(3)] == [expected] * 3
    assert len(opened) == 3  # to copy it, as text, as bytes
    missing = LocalSourceFile(str(tmp_path / "none.py"))
    assert not plain.exists(missing)
    assert not quick.exists(missing)
