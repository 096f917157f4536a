"""The site that `make docs` makes: whole, searchable, usable from files, and without anything from a network."""

import re
import shlex
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from asgd.figures.plot import list_plots
from tests.browser import needs_browser, open_page
from tests.documentation import PAGES, SHOWN
from tests.pipeline import ROOT

#: Attributes that make a browser load something.
LOADING = {("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "srcset"), ("link", "href")}


class Elements(HTMLParser):
    """The elements of a page that have attributes."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.found: list[tuple[str, str, str]] = []  #: tag, attribute, value
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [(tag, name, value or "") for name, value in attrs]


def build(docs: Path, site: Path) -> subprocess.CompletedProcess[str]:
    """What the recipe of `make docs` does, for the pages in ``docs``."""
    recipe = re.search(r"^docs: .*\n\t(sphinx-build .*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe
    places = {"docs": str(docs), "build/docs": str(site), "build/doctrees": str(site.parent / "doctrees")}
    _, *arguments = (places.get(word, word) for word in shlex.split(recipe[1]))
    return subprocess.run(
        [sys.executable, "-m", "sphinx", *arguments], cwd=ROOT, capture_output=True, encoding="utf-8", check=False
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of the pages as they are."""
    folder = tmp_path_factory.mktemp("site") / "html"
    done = build(ROOT / "docs", folder)
    assert done.returncode == 0, done.stderr
    return folder


def list_pages(site: Path) -> list[Path]:
    return sorted(page for page in site.rglob("*.html") if "_downloads" not in page.parts)


def test_every_page_is_there(site: Path) -> None:
    names = {page.relative_to(site).with_suffix("") for page in list_pages(site)}
    assert names >= {page.relative_to(ROOT / "docs").with_suffix("") for page in PAGES}


def test_nothing_is_loaded_from_a_network(site: Path) -> None:
    remote = re.compile(r"^(\w+:)?//")
    loaded = {
        (page.name, value)
        for page in list_pages(site)
        for tag, name, value in Elements(page).found
        if (tag, name) in LOADING and remote.match(value)
    }
    assert loaded == set()
    styles = {
        url
        for file in site.rglob("*.css")
        for url in re.findall(r"(?:url\(|@import )['\"]?([^'\") ]+)", file.read_text())
    }
    assert {url for url in styles if remote.match(url)} == set()


def test_every_link_leads_to_a_file_of_the_site(site: Path) -> None:
    broken = set()
    for page in list_pages(site):
        for tag, name, value in Elements(page).found:
            link = urlsplit(value)
            if (tag, name) in {("a", "href"), ("img", "src")} and link.path and not link.scheme:
                target = page.parent / unquote(link.path)
                broken |= set() if target.exists() else {(page.name, value)}
    assert broken == set()


def test_a_link_to_a_file_outside_docs_opens_that_file(site: Path) -> None:
    """As on a code host. A browser shows it, and does not save it."""
    links = [value for _, name, value in Elements(site / "claims.html").found if name == "href"]
    (link,) = [link for link in links if link.endswith("/e5_edge.py")]
    assert (site / link).read_bytes() == (ROOT / "src/asgd/claims/second/e5_edge.py").read_bytes()
    assert "download" not in {name for _, name, _ in Elements(site / "claims.html").found}


def test_a_broken_link_fails(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    shutil.copy(ROOT / "docs/conf.py", docs)
    links = ("absent.md", "index.md#absent-heading", "../absent.yaml")
    (docs / "index.md").write_text("# Index\n\n" + " ".join(f"[link]({link})" for link in links))
    done = build(docs, tmp_path / "html")
    assert done.returncode == 1
    for link in links:
        assert link.removeprefix("index.md#") in done.stderr


def test_the_gallery_shows_every_figure_of_the_study(site: Path) -> None:
    shown = {
        Path(value).name for tag, name, value in Elements(site / "gallery.html").found if (tag, name) == ("img", "src")
    }
    there = {path.name for path in (ROOT / f"results/{SHOWN}/figures").glob("*.png")}
    assert shown == there
    text = (site / "gallery.html").read_text()
    for name in there:
        assert f"-- \\ results/{SHOWN}/figures/{name}" in " ".join(text.split())
        assert list_plots()[Path(name).stem].caption.split("'")[0] in text


@needs_browser
@pytest.mark.parametrize("width", [1280, 390])
def test_pages_open_from_files_without_a_request_or_an_error(site: Path, width: int) -> None:
    for name in ("index", "gallery", "claims", "reference", "how-to/extend"):
        with open_page(site / f"{name}.html", width) as opened:
            opened.page.wait_for_timeout(300)
            assert (opened.requests, opened.errors) == ([], [])
            assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
            broken = "(found => found.filter(one => one.complete && !one.naturalWidth).length)"
            assert opened.page.eval_on_selector_all("img", broken) == 0


@needs_browser
def test_search_finds_a_page(site: Path) -> None:
    with open_page(site / "index.html") as opened:
        opened.page.locator("input[name=q]").first.fill("max_staleness")
        opened.page.keyboard.press("Enter")
        opened.page.locator("ul.search li a").first.wait_for()
        hits = opened.page.locator("ul.search li a").all_inner_texts()
        assert any("Reference" in hit for hit in hits)
        assert (opened.requests, opened.errors) == ([], [])
