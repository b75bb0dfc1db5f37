"""The site as a browser shows it from a file: sorting and filters by keys, addresses that restore, axe-core."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from board_records import put, put_baselines, values
from chromium import CHROMIUM, axe_findings, chromium, new_page, wait_until
from maquette.bench.running import SuiteRun
from maquette.bench.site import build_site

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")]

CASES = [f"object {i}" for i in range(6)]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def site(ran: SuiteRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two suites: one that was run, with meshes, and one of three methods whose figures are known."""
    folder = tmp_path_factory.mktemp("site")
    results = Path(shutil.copytree(ran.results, folder / "results"))
    put_baselines(results, CASES)
    for name, psnr, card in (("plain", 20.0, "card A"), ("best", 30.0, "card B"), ("failing", 35.0, "card B")):
        for i, case in enumerate(CASES):
            lost = name == "failing" and i > 2
            put(
                results, name, case, {} if lost else values(psnr + i / 10), picture=True, costs={"seconds": psnr * 2},
                error="it fell" if lost else "", kind="other" if lost else "", manifest={"machine": {"gpu": card}},
            )  # fmt: skip
    return build_site([results], folder / "pages").index.parent


@pytest.fixture
def page(browser: Any, site: Path) -> Iterator[Any]:
    page = new_page(browser, viewport={"width": 1440, "height": 900})
    page.goto((site / "objects-1" / "index.html").as_uri())
    yield page
    assert page.problems == []
    page.close()


def shown(page: Any) -> list[str]:
    return list(page.locator("#methods tr:visible button.name").all_inner_texts())


def press(page: Any, selector: str, key: str) -> None:
    page.locator(selector).focus()
    page.keyboard.press(key)


def test_columns_sort_by_keys_and_say_so(page):
    head = "#board th[data-sort='refview@2/psnr']"
    assert shown(page) == ["best", "plain", "failing"]  # what failed has the trivial row's value
    assert page.get_attribute(head, "aria-sort") == "descending"
    press(page, f"{head} button", "Enter")
    assert shown(page) == ["failing", "plain", "best"] and page.get_attribute(head, "aria-sort") == "ascending"
    press(page, "#board th[data-sort='seconds'] button", "Space")
    assert shown(page) == ["plain", "best", "failing"] and page.get_attribute(head, "aria-sort") is None
    press(page, "#board th[data-sort='surface-distance@1/chamfer'] button", "Enter")
    assert shown(page)[0] == "best"  # the lowest first


def test_filters_work_by_keys_and_the_address_restores_what_is_shown(page, browser):
    press(page, "select[name=hardware]", "ArrowDown")
    assert shown(page) == ["plain"] and page.inner_text("#shown") == "1 of 3 methods"
    press(page, "select[name=hardware]", "ArrowDown")
    press(page, "select[name=measure]", "ArrowDown")
    press(page, "#cases button[data-step='1']", "Enter")
    assert page.locator("#board th[data-sort='volume-iou@1/iou']").is_hidden()
    other = new_page(browser)
    other.goto(page.evaluate("location.href"))
    assert shown(other) == ["best", "failing"] and other.input_value("select[name=case]") == "object 1"
    assert other.locator("#board th[data-sort='volume-iou@1/iou']").is_hidden()
    other.close()


def test_a_row_opens_with_a_link_to_each_record(page, site):
    press(page, "#methods tr:nth-child(1) button.name", "Enter")
    assert page.inner_text("#details-title") == "best"
    assert "row=best" in page.evaluate("location.hash")
    address = page.locator("#details a").first.get_attribute("href")
    assert (site / "objects-1" / address).is_file()
    page.keyboard.press("Escape")
    wait_until(page, "!document.getElementById('details').open && !location.hash.includes('row=')")


def test_the_gallery_has_the_pictures_of_a_case_and_the_failure_in_words(page):
    page.select_option("select[name=case]", "object 5")
    assert page.locator("#gallery figure").count() == 5
    assert page.evaluate(
        "[...document.querySelectorAll('#gallery img')].every(one => one.naturalWidth > 0 || !one.complete)"
    )
    assert "failed: it fell" in page.inner_text("#gallery")


def test_meshes_are_drawn_in_3d_and_turn_together(browser, site):
    page = new_page(browser, viewport={"width": 1000, "height": 900})
    page.goto((site / "pictures-1" / "index.html").as_uri())
    page.click("#all-3d")
    wait_until(page, "document.querySelectorAll('model-viewer').length === 2")
    wait_until(page, "[...document.querySelectorAll('model-viewer')].every(one => one.modelIsVisible)")
    assert page.problems == []
    page.close()


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_axe_finds_nothing_and_no_page_is_wider_than_the_screen(browser, site, width, scheme):
    page = new_page(browser, viewport={"width": width, "height": 850}, color_scheme=scheme)
    for name in ("index.html", "objects-1/index.html", "pictures-1/index.html", "published.html"):
        page.goto((site / name).as_uri())
        assert axe_findings(page) == [], name
        assert page.evaluate("document.documentElement.scrollWidth") == width, name
    page.goto((site / "objects-1" / "index.html").as_uri() + "#row=best")
    assert axe_findings(page) == []
    assert page.problems == []
    page.close()


def test_baselines_far_from_the_methods_have_their_numbers_in_the_plot_and_no_line(page):
    assert page.locator("#plot .bound").count() == 2  # 5 and 40 dB, of methods from 12 to 30
    page.select_option("select[name=hardware]", "card A")
    wait_until(page, "document.querySelectorAll('#plot .bound').length === 0")
    texts = page.locator("#plot text.tick").all_text_contents()
    assert any(text.startswith("oracle 40") and text.endswith("↑") for text in texts)
    assert any(text.startswith("trivial 5") and text.endswith("↓") for text in texts)
