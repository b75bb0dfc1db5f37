"""Chromium for tests of pages, and what axe-core finds in one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]
MILLISECONDS = 120_000  # WebGL on a busy processor takes its time


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser; the test is skipped where playwright or Chromium is missing."""
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


def new_page(browser: Any, **settings: Any) -> Any:
    """A page whose errors are collected in `page.problems`."""
    page = browser.new_page(**settings)
    page.set_default_timeout(MILLISECONDS)
    page.problems = []
    page.on("console", lambda message: page.problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda problem: page.problems.append(str(problem)))
    return page


def wait_until(page: Any, expression: str, step_ms: int = 200) -> None:
    """Wait for an expression to be true; playwright's own way needs `eval`, which the pages' policy forbids."""
    for _ in range(MILLISECONDS // step_ms):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(step_ms)
    raise AssertionError(f"it was never true: {expression}")


def axe_findings(page: Any) -> list[tuple[str, list[str]]]:
    """The rules of axe-core that a page breaks, each with the elements."""
    axe = pytest.importorskip("axe_playwright_python")
    page.evaluate((Path(axe.__file__).parent / "axe.min.js").read_text())
    found = page.evaluate("axe.run({preload: false})")["violations"]
    return [(rule["id"], [node["html"][:200] for node in rule["nodes"]]) for rule in found]
