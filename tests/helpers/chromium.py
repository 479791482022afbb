"""A real browser for the tests of pages: Chromium, which Playwright drives."""

import contextlib
import shutil
from collections.abc import Iterator

import pytest


@contextlib.contextmanager
def launched() -> Iterator:
    """Yields a browser; skips the test if there is none."""
    driver = pytest.importorskip('playwright.sync_api')
    program = shutil.which('chromium') or shutil.which('chromium-browser')
    if program is None:
        pytest.skip('no chromium; apt-get install chromium brings it')
    with driver.sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=program, args=['--no-sandbox', '--disable-gpu']
        )
        yield browser
        browser.close()
