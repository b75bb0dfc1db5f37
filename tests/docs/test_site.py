"""The documentation site: it is built without a warning, and pages of it are usable by everyone and at every width."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chromium import CHROMIUM, axe_findings, chromium, new_page
from project import ROOT

pytestmark = pytest.mark.slow
PAGES = ("index", "quickstart", "methods/instant", "reference/loss", "gallery", "search")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built in a copy of the pages, so that the checkout stays as it is."""
    for package in ("sphinx", "furo", "myst_parser"):
        pytest.importorskip(package)
    root = tmp_path_factory.mktemp("site")
    shutil.copytree(ROOT / "docs", root / "docs", ignore=shutil.ignore_patterns("_build", "reference", "*.pyc"))
    for name in ("framework", "configs", "benchmarks", "plugins"):
        (root / name).symlink_to(ROOT / name)
    html = root / "html"
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-q", "-W", "--keep-going", str(root / "docs"), str(html)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return html


def test_the_site_has_the_parts_and_an_index_to_search_without_a_network(site):
    losses = (site / "reference" / "loss.html").read_text()
    assert 'id="loss-orientation"' in losses and "Verbin et al." in losses
    assert "orientation" in (site / "searchindex.js").read_text()
    page = (site / "index.html").read_text()
    assert 'src="http' not in page and '<link rel="stylesheet" href="http' not in page


def test_the_boards_are_in_it_and_a_page_leads_to_them(site):
    assert 'href="boards/index.html"' in (site / "leaderboard.html").read_text()
    assert "image-board" in (site / "boards" / "index.html").read_text()


@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM:
        pytest.skip("Chromium opens the pages")
    with chromium() as running:
        yield running


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(site, browser, name, scheme):
    page = new_page(browser, viewport={"width": 1440, "height": 1000}, color_scheme=scheme)
    page.goto((site / f"{name}.html").as_uri())
    findings = axe_findings(page)
    page.close()
    assert not findings


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_wider_than_a_telephone(site, browser, name):
    page = new_page(browser, viewport={"width": 390, "height": 800})
    page.goto((site / f"{name}.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    page.close()


def test_the_search_answers_from_files_alone(site, browser):
    page = new_page(browser)
    page.goto(f"{(site / 'search.html').as_uri()}?q=orientation")
    page.wait_for_selector("#search-results li")
    assert "Losses" in page.inner_text("#search-results")
    page.close()
