"""The pages in a real browser: sorted, filtered, opened and switched as a reader does, by mouse and by keyboard."""

import shutil
import time

import numpy as np
import pandas as pd
import pytest

from nasperf360.figures.profiles import performance_ratios
from nasperf360.labels import method_label
from nasperf360.tables.performance import error_matrix, read_performance

from .pages import REASON, make_pages

pytestmark = pytest.mark.slow

OURS = ("file:", "data:", "blob:")
READY = 60_000  # milliseconds, on a machine with other work


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("no Chromium: apt-get install chromium")
    with api.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return make_pages(tmp_path_factory.mktemp("pages"))


@pytest.fixture
def opened(browser, folders):
    """Opens the page of a folder; in the end nothing stands on the console, and nothing was asked of a network."""
    said, contexts = [], []

    def visit(folder, **options):
        context = browser.new_context(offline=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(READY)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: None if request.url.startswith(OURS) else said.append(request.url))
        page.goto((folder / "report" / "index.html").as_uri())
        page.wait_for_selector("html[data-ready]", state="attached")
        page.wait_for_selector("[data-spec=profiles] svg")
        return page

    yield visit
    for context in contexts:
        context.close()
    assert said == []


def settled(asked, wanted):
    """What the page says, once it says what is wanted or has had the time to: it redraws after the click returns."""
    deadline = time.monotonic() + READY / 1000
    while (found := asked()) != wanted and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


@pytest.mark.parametrize("which", [0, 1])
def test_tables_sort_by_value_and_filter(opened, folders, which):
    page, performance = opened(folders[which]), read_performance(folders[which] / "tables" / "performance.csv")
    results = page.locator("#results tbody tr")
    assert results.count() == len(performance)
    page.locator("#results thead th", has_text="Result").locator(".dt-column-order").click()
    shown = page.locator("#results td[data-order]:nth-child(4)")
    sorted_means = sorted(performance["mean"].fillna(1e99))
    assert (
        settled(lambda: shown.evaluate_all("cells => cells.map((cell) => Number(cell.dataset.order))"), sorted_means)
        == sorted_means
    )
    page.locator("#results_wrapper input[type=search]").first.fill("DARTS GAEA")
    of_method = (performance["method"] == "darts-gaea").sum()
    assert settled(results.count, of_method) == of_method
    task = page.locator("#matrix thead th", has_text="CIFAR-100")
    task.locator(".dt-column-order").click()
    best = performance[performance["task"] == "cifar100"].sort_values("mean")["method"].iloc[0]
    first = page.locator("#matrix tbody th").first
    assert settled(first.inner_text, method_label(best)) == method_label(best)


def test_a_cell_opens_by_keyboard_with_its_curves_and_closes(opened, folders):
    page = opened(folders[0])
    button, cell = page.locator('#matrix [popovertarget="darcy-darts-gaea"]'), page.locator("#darcy-darts-gaea")
    assert not cell.is_visible()
    button.focus()
    page.keyboard.press("Enter")
    cell.locator("svg").nth(1).wait_for()
    assert "Seed 0" in cell.inner_text()
    assert "simulated data" in cell.locator("h3").evaluate("title => getComputedStyle(title, '::after').content")
    values = cell.locator("[data-curves$=retrain]").evaluate(
        "chart => chart.view.data('source_0').map((row) => row.mean)"
    )
    curves = pd.read_csv(folders[0] / "figures" / "curves.csv").query(
        "task == 'darcy' and method == 'darts-gaea' and stage == 'retrain'"
    )
    assert values == curves["mean"].tolist()
    page.keyboard.press("Escape")
    assert not cell.is_visible()


@pytest.mark.parametrize("which", [0, 1])
def test_profiles_are_computed_anew_without_a_method(opened, folders, which):
    page, performance = opened(folders[which]), read_performance(folders[which] / "tables" / "performance.csv")
    errors = error_matrix(performance)
    chart = page.locator("[data-spec=profiles]")

    def steps():
        """Ratios by method, as the chart has them."""
        rows = chart.evaluate(
            "chart => { const data = chart.view.getState({data: () => true}).data; const name = Object.keys(data)"
            ".filter((name) => /^data_/.test(name)).at(-1); return chart.view.data(name)"
            ".map(({label, ratio, fraction}) => [label, ratio, fraction]); }"
        )
        found = pd.DataFrame(rows, columns=["label", "ratio", "fraction"])
        return {label: (sorted(set(part["ratio"])), part["fraction"].max()) for label, part in found.groupby("label")}

    def expected(methods):
        ratios = performance_ratios(errors[methods].to_numpy())
        return {
            method_label(method): (
                sorted(set(of_method[np.isfinite(of_method)])),
                np.isfinite(of_method).mean(),
            )
            for method, of_method in zip(methods, ratios.T, strict=True)
        }

    for methods in (list(errors.columns), [method for method in errors.columns if method != "darts-gaea"]):
        if len(methods) < errors.shape[1]:
            chart.locator(".vega-bind", has_text="DARTS GAEA").locator("input").uncheck()
        wanted = expected(methods)
        assert settled(lambda: steps().keys(), wanted.keys()) == wanted.keys()
        found = steps()
        for label, (ratios, solved) in wanted.items():
            assert found[label][0] == pytest.approx(ratios, rel=1e-6)
            assert found[label][1] == pytest.approx(solved)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_in_either_scheme_shows_all_without_scrolling_sideways(opened, folders, scheme):
    for folder in folders:
        page = opened(folder, viewport={"width": 360, "height": 700}, color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        light = sum(map(int, ground[4:-1].split(","))) > 3 * 128
        assert light is (scheme == "light")
        lines = page.locator("[data-spec=profiles] svg .role-axis-title text").first.get_attribute("fill")
        assert (int(lines[1:3], 16) < 128) is light  # ink stands out


def test_what_is_missing_and_simulated_stays_in_view(opened, folders):
    page = opened(folders[0])
    assert REASON in page.locator("#missing").inner_text()
    page.locator("#cite").scroll_into_view_if_needed()
    assert page.locator(".banner").is_visible()
    for title in page.locator("h2").all():
        assert "simulated data" in title.evaluate("title => getComputedStyle(title, '::after').content")
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    assert page.locator(".banner").is_visible()
