"""Pages are rows of one table: a new one is one file and one row."""

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import pages
from dashboard.pages import PAGES, Page
from dashboard.ui import help
from tests.support.reading import texts

Open = Callable[..., AppTest]
TOY = """
import streamlit as st

st.header("A toy page")
"""


def test_a_page_of_one_file_and_one_row_is_in_the_navigation(
    open_page: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "page.py").write_text(TOY, encoding="utf-8")
    row = Page("toy", "Toy", "Toys", "Play with it.", screens=tmp_path)
    monkeypatch.setattr(pages, "PAGES", [*PAGES, row])
    app = open_page()
    links = [link.proto for link in app.get("page_link")]
    assert ("Toy", "toy") in [(link.label, link.page) for link in links]
    assert "TOYS" in texts(app)
    app.switch_page(str(row.script)).run()
    assert not app.exception
    assert [header.value for header in app.header] == ["A toy page", "Toy"]
    assert "Play with it." in texts(app)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_page_says_what_it_is_for_and_has_its_documentation(page: Page) -> None:
    assert page.script.is_file()
    assert page.about.endswith(".")
    assert page.docs in help.TITLES or page.name == "guide"


def test_every_folder_of_screens_is_a_page() -> None:
    folders = {path.parent.name for path in pages.SCREENS.glob("*/page.py")}
    assert folders == {page.name for page in PAGES}


def test_sections_keep_the_order() -> None:
    assert [page for group in pages.sections(PAGES).values() for page in group] == PAGES
