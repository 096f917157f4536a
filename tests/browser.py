"""A page as a real browser shows it: Chromium without a window, and without a network."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="skipped: no chromium")


@dataclass(frozen=True)
class Shown:
    """What a page did and shows."""

    requests: list[str]  #: addresses asked for beside files, data and blobs
    errors: list[str]  #: of its console, and exceptions
    text: str  #: of all frames
    drawings: int  #: canvases and SVGs of some size
    images: int  #: loaded images of some size


@dataclass(frozen=True)
class Opened:
    """A page that is open, and what it did."""

    page: Page
    requests: list[str] = field(default_factory=list)  #: addresses asked for beside files, data and blobs
    errors: list[str] = field(default_factory=list)  #: of its console, and exceptions


@contextmanager
def open_page(path: Path, width: int = 1400) -> Iterator[Opened]:
    """The file ``path`` in a window of ``width`` pixels."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        opened = Opened(browser.new_page(viewport={"width": width, "height": 1000}, offline=True))
        opened.page.on("request", lambda request: opened.requests.append(request.url) if _is_far(request.url) else None)
        opened.page.on(
            "console", lambda message: opened.errors.append(message.text) if message.type == "error" else None
        )
        opened.page.on("pageerror", lambda error: opened.errors.append(str(error)))
        opened.page.goto(path.absolute().as_uri())
        yield opened
        browser.close()


def _is_far(url: str) -> bool:
    return not url.startswith(("file:", "data:", "blob:"))


def show_page(path: Path, *clicks: str, screenshot: Path | None = None) -> Shown:
    """Open the file ``path``, click on what each selector of ``clicks`` finds in turn, and say what is there then."""
    with open_page(path) as opened:
        page = opened.page
        page.wait_for_timeout(1500)
        for selector in clicks:
            page.locator(selector).first.click()
            page.wait_for_timeout(1000)
        if screenshot:
            page.screenshot(path=screenshot)
        large = "(found => found.filter(one => one.getBoundingClientRect().width > 100).length)"
        loaded = "(found => found.filter(one => one.naturalWidth > 100).length)"
        return Shown(
            opened.requests,
            opened.errors,
            "\n".join(frame.locator("body").inner_text() for frame in page.frames),
            page.eval_on_selector_all("canvas, svg", large),
            page.eval_on_selector_all("img", loaded),
        )
