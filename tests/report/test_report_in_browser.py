"""The report as a browser shows it: nothing that axe-core finds, the mesh drawn, the wheel left to the page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chromium import CHROMIUM, axe_findings, chromium, new_page, wait_until
from maquette.report import write_report

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


@pytest.fixture(params=["light", "dark"])
def page(request: pytest.FixtureRequest, browser: Any, run_folder: Path) -> Iterator[Any]:
    page = new_page(browser, viewport={"width": 390, "height": 900}, color_scheme=request.param)
    page.goto(write_report(run_folder).as_uri())
    yield page
    page.close()


def _settled(page: Any, expression: str, before: Any) -> Any:
    """The value of an expression after it left `before` and came to rest, or `before` if it never leaves it."""
    value = before
    for _ in range(60):
        page.wait_for_timeout(500)
        last, value = value, page.evaluate(expression)
        if value == last != before:
            break
    return value


def test_axe_finds_nothing_and_the_3d_view_works_with_keys_and_leaves_the_wheel_to_the_page(page: Any) -> None:
    wait_until(page, "document.getElementById('model').modelIsVisible")
    assert page.problems == []
    assert axe_findings(page) == []

    model = page.locator("#model")
    orbit = "JSON.stringify(document.getElementById('model').getCameraOrbit())"
    first = page.evaluate(orbit)
    model.locator("[tabindex='0']").first.focus()
    page.keyboard.press("ArrowRight")
    turned = _settled(page, orbit, first)
    assert turned != first

    model.scroll_into_view_if_needed()
    model.hover()
    before = page.evaluate("scrollY")
    page.mouse.wheel(0, 200)
    page.wait_for_timeout(2000)
    assert page.evaluate("scrollY") > before
    assert page.evaluate(orbit) == turned

    assert page.evaluate("document.documentElement.scrollWidth") == 390
    background = page.evaluate("getComputedStyle(document.querySelector('.sheet')).backgroundColor")
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    assert (background == "rgb(255, 255, 255)") != dark


def test_without_scripts_the_picture_of_the_mesh_stands_in(browser: Any, run_folder: Path) -> None:
    page = browser.new_page(java_script_enabled=False)
    page.goto(write_report(run_folder).as_uri())
    box = page.locator("#model img").bounding_box()
    assert box is not None and box["width"] > 300 and box["height"] > 300
    page.close()
