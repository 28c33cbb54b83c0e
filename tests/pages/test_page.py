"""The page of a study, read by a parser: what it says, and that nothing of it comes from elsewhere."""

import json
import re
from html.parser import HTMLParser

import pandas as pd
import pytest

from nasperf360.errors import DataError
from nasperf360.figures import style
from nasperf360.labels import PAPER_METHODS
from nasperf360.report import charts
from nasperf360.report.headline import headline
from nasperf360.report.page import script_json
from nasperf360.report.study import SECTIONS
from results.small_run import EXPERIMENTS

from .pages import REASON, make_page, make_pages

BYTES = 15_000_000


class Reader(HTMLParser):
    """Texts by the id of the element that holds them, tags, and addresses."""

    VOID = frozenset({"meta", "link", "br", "img", "input", "hr"})

    def __init__(self, text):
        super().__init__()
        self.ids, self.inside, self.addresses, self.tags, self.headings = {}, [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.tags.append((tag, given))
        self.addresses += [given[name] for name in ("src", "href") if name in given]
        if tag not in self.VOID:
            self.inside.append((tag, given.get("id")))

    def handle_endtag(self, tag):
        assert self.inside.pop()[0] == tag

    def handle_data(self, data):
        for _, name in self.inside:
            if name:
                self.ids[name] = self.ids.get(name, "") + data
        if self.inside and self.inside[-1][0] == "h2":
            self.headings.append(data)


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folders = make_pages(tmp_path_factory.mktemp("pages"))
    return [(folder, (folder / "report" / "index.html").read_text()) for folder in folders]


@pytest.mark.parametrize("which", [0, 1])
def test_a_page_answers_in_order_and_takes_nothing_from_elsewhere(pages, which):
    folder, text = pages[which]
    read = Reader(text)
    assert read.inside == []  # whatever was opened was closed
    assert read.headings == list(SECTIONS.values())
    assert [address for address in read.addresses if not address.startswith(("data:", "#"))] == []
    assert len(text.encode()) < BYTES
    opened = {given["popovertarget"] for tag, given in read.tags if tag == "button"}
    assert opened == {given["id"] for _, given in read.tags if "popover" in given} != set()
    performance = pd.read_csv(folder / "tables" / "performance.csv")
    assert len(opened) == len(performance)


def test_only_simulated_data_are_called_so(pages):
    mine, printed = (Reader(text) for _, text in pages)
    for read, simulated in ((mine, True), (printed, False)):
        body = next(given for tag, given in read.tags if tag == "body")
        assert (body.get("class") == "simulated") is simulated
        banner = [given for _, given in read.tags if given.get("class") == "banner"]
        assert bool(banner) is simulated
        titles = {json.loads(read.ids[name]).get("title") for name in read.ids if name.startswith("spec-")}
        assert titles == ({"simulated data"} if simulated else {None})


def test_a_cell_holds_its_seeds_curves_cost_and_provenance(pages):
    (_, text), _ = pages
    read = Reader(text)
    cell = read.ids["darcy-darts-gaea"]
    for words in ("Seed 0", "Seed 1", "Paper", "0.026 ± 0.001", "1,000 parameters", "7.5 s, x86_64, 300 MB", "lr: 0.1"):
        assert words in cell, words
    curves = json.loads(read.ids["curves"])
    assert len(curves) == 12
    assert [row["mean"] for row in curves["darcy/darts-gaea/search"]] == [0.5, 0.5, 0.5]
    assert [row["seconds"] for row in curves["darcy/darts-gaea/retrain"]] == pytest.approx([2, 4])


def test_every_method_has_a_mark_of_its_own_that_can_be_filled():
    found = [charts.SHAPES.get(style.look(method).marker) for method in PAPER_METHODS]
    assert None not in found
    assert len(set(found)) == len(found)
    assert "stroke" not in found  # a line has no area


def test_equal_architectures_are_listed_once(pages):
    architectures = Reader(pages[0][1]).ids["architectures"]
    assert "every task" in architectures
    assert architectures.count("lr: 0.1") == 2  # one of each method


def test_what_is_missing_stands_there_with_its_reason_as_text(pages):
    (_, text), (_, printed) = pages
    read = Reader(text)
    assert REASON in read.ids["missing"]
    assert "<script>alert" not in text
    assert "1 experiment without a result" in read.ids["result"]
    assert "prints a result of every experiment" in Reader(printed).ids["missing"]


def test_numbers_are_those_of_the_tables(pages):
    for folder, text in pages:
        read = Reader(text)
        aggregate = pd.read_csv(folder / "tables" / "aggregate.csv")
        specs = {row["label"]: row for row in json.loads(read.ids["spec-ranks"])["data"]["values"]}
        assert [row["median_rank"] for row in specs.values()] == aggregate["median_rank"].tolist()
        performance = pd.read_csv(folder / "tables" / "performance.csv")
        orders = [float(given["data-order"]) for tag, given in read.tags if tag == "td" and "data-order" in given]
        for mean in performance["mean"]:
            assert orders.count(mean) >= 2  # in the matrix and in the list


@pytest.fixture
def mine(tmp_path):
    return make_pages(tmp_path)[0]


@pytest.mark.parametrize("name", ["cost", "curves"])
def test_a_figure_without_numbers_leaves_an_empty_chart(mine, name):
    path = mine / "figures" / f"{name}.csv"
    path.write_text(path.read_text().partition("\n")[0] + "\n")
    make_page(mine, EXPERIMENTS)
    read = Reader((mine / "report" / "index.html").read_text())
    assert (json.loads(read.ids["spec-cost"])["data"]["values"] == []) is (name == "cost")
    assert (json.loads(read.ids["curves"]) == {}) is (name == "curves")


@pytest.mark.parametrize(
    "name",
    [
        *(f"tables/{table}" for table in ("performance", "tasks", "aggregate", "comparisons", "cost")),
        "figures/cost",
        "figures/curves",
    ],
)
@pytest.mark.parametrize("part", [0, 0.5])
def test_what_the_page_reads_is_named_where_it_is_damaged(mine, name, part):
    path = mine / f"{name}.csv"
    path.write_text(path.read_text()[: int(part * path.stat().st_size)])
    with pytest.raises(DataError, match=rf"{path}: cannot be read \(it .*\); make it anew: .* --force {path}, with"):
        make_page(mine, EXPERIMENTS)


AGGREGATE = pd.DataFrame(
    {
        "space": ["wrn", "darts", "autodl"],
        "algorithm": ["default", "gaea", "darts"],
        "median_rank": [1.5, 1.0, 0.5],
        "median_improvement": [0.0, 20.0, 90.0],
        "tasks": [10, 10, 3],
        "seeds_failed": [0, 0, 0],
        "median_rank_low": [1.0, 1.0, 0.5],
        "median_rank_high": [3.0, 2.0, 0.5],
        "median_improvement_low": [0.0, -1.0, 80.0],
        "median_improvement_high": [0.0, 40.0, 95.0],
    }
)
PAIRS = pd.DataFrame({"p_holm": [0.01, 0.05, 0.2, None]})


def test_numbers_for_charts_stand_in_the_page_without_blanks_and_cannot_end_it():
    assert script_json({"a": ["</script> é", 1.5, None]}) == '{"a":["\\u003c/script> é",1.5,null]}'
    with pytest.raises(ValueError, match="JSON compliant"):
        script_json({"a": float("nan")})


def test_the_result_in_a_sentence():
    whole = headline(AGGREGATE, PAIRS, 0)
    assert whole.startswith("On 10 tasks DARTS GAEA has the lowest median rank, 1.0 (95 % interval: 1.0 to 2.0)")
    assert "20.0 % below that of WRN default (95 % interval: improvement, −1.0 to 40.0 %)" in whole
    assert "1 of the 3 pairs" in whole
    failed = headline(AGGREGATE.assign(seeds_failed=[0, 1, 0]), PAIRS, 3)
    assert failed.startswith("So far (3 experiments without a result), on 10 tasks WRN default has")
    assert "% below" not in failed
    tied = headline(AGGREGATE.assign(median_rank=1.0), PAIRS.iloc[:0], 0)
    assert "WRN default and DARTS GAEA share the lowest median rank, 1.0" in tied
    assert "too few methods or tasks" in tied
    assert headline(AGGREGATE.assign(seeds_failed=1), PAIRS, 1).startswith("No method has a result on every task")


def test_the_style_knows_dark_mode_phones_and_paper(pages):
    text = pages[0][1]
    for query in ("prefers-color-scheme: dark", r"max-width: \d+rem", "print"):
        assert re.search(rf"@media \(?{query}", text)
