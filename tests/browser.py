"""A page as a real browser shows it: Chromium without a window, and without a network."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

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


def show_page(path: Path, *clicks: str, screenshot: Path | None = None) -> Shown:
    """Open the file ``path``, click on what each selector of ``clicks`` finds in turn, and say what is there then."""
    requests: list[str] = []
    errors: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 1000}, offline=True)
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(path.absolute().as_uri())
        page.wait_for_timeout(1500)
        for selector in clicks:
            page.locator(selector).first.click()
            page.wait_for_timeout(1000)
        if screenshot:
            page.screenshot(path=screenshot)
        large = "(found => found.filter(one => one.getBoundingClientRect().width > 100).length)"
        loaded = "(found => found.filter(one => one.naturalWidth > 100).length)"
        shown = Shown(
            [url for url in requests if not url.startswith(("file:", "data:", "blob:"))],
            errors,
            "\n".join(frame.locator("body").inner_text() for frame in page.frames),
            page.eval_on_selector_all("canvas, svg", large),
            page.eval_on_selector_all("img", loaded),
        )
        browser.close()
    return shown
