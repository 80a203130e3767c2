"""The Guide page shows every page of the documentation; pages and help texts lead to it."""

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.ui import help
from db.store import Store
from tests.support.reading import texts

Open = Callable[..., AppTest]


def test_every_page_of_the_documentation_can_be_read(open_page: Open, store: Store) -> None:
    app = open_page("guide")
    assert "# Dualens" in texts(app)
    for name in help.TITLES:
        app.query_params["doc"] = name
        app.run()
        assert not app.exception, name
        assert not app.error, name
        title = (help.FOLDER / f"{name}.md").read_text(encoding="utf-8").splitlines()[0]
        assert title in texts(app), name


def test_a_link_to_no_page_says_so(open_page: Open, store: Store) -> None:
    app = open_page("guide", doc="../README")
    assert not app.exception
    assert "There is no such page" in texts(app)


@pytest.mark.parametrize(("page", "title"), [("recommend", "Recommend"), ("library", "Library")])
def test_a_page_links_to_its_documentation(open_page: Open, store: Store, page: str, title: str) -> None:
    assert f"[Guide to {title}](guide?doc={page})" in texts(open_page(page))


def test_a_page_that_the_navigation_lacks_is_not_called_by_its_name(open_page: Open, store: Store) -> None:
    app = open_page("tour")
    assert "[More in the Guide](guide?doc=present)" in texts(app)
    assert "Guide to Guided" not in texts(app)


def test_a_help_text_ends_in_a_link() -> None:
    assert help.more("What it is.", "glossary#nats") == "What it is. [Guide](guide?doc=glossary#nats)"
    assert help.more("") is None
