"""A row put into a table of `db.choices` stands in every picker that asks for one of the table."""

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from db.choices import (
    BASELINES,
    EDITS,
    FORMATS,
    STRATEGIES,
    STUDIES,
    Choice,
    EditChoice,
    StrategyChoice,
    StudyChoice,
)
from db.requests import RunRequest
from db.store import Store
from tests.support import shop
from tests.support.fake_engine import effects, rank

Open = Callable[..., AppTest]


@pytest.fixture(autouse=True)
def rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A strategy, an edit, a study, a recommender and an import format that nobody has seen before."""
    monkeypatch.setitem(STRATEGIES, "toy", StrategyChoice("toy", "Toy strategy", "Windows of toys"))
    edit = EditChoice("toy", "Toy edit", "every toy smaller", amount=0.5, most=1.0, drawn=True)
    monkeypatch.setitem(EDITS, "toy", edit)
    monkeypatch.setitem(STUDIES, "toy", StudyChoice("toy", "Toy study", "How many toys", asks=("k", "only")))
    monkeypatch.setitem(BASELINES, "toy", Choice("toy", "Toy recommender", "Toys first"))
    monkeypatch.setitem(FORMATS, "toy", Choice("toy", "Toy files", "a file full of toys"))


@pytest.fixture
def stocked(store: Store) -> Store:
    """The shop and one stored run with its effects."""
    shop.stock(store)
    run = rank(store, RunRequest("simulated", "shopper 0012"))
    effects(store, run)
    return store


def options(app: AppTest) -> dict[str, list[str]]:
    """Key of a select box, multiselect or row of pills -> the labels offered."""
    widgets = [*app.selectbox, *app.multiselect, *app.get("button_group")]
    return {widget.key: list(getattr(widget, "options", [])) for widget in widgets if widget.key}


@pytest.mark.usefixtures("stocked")
def test_recommend_offers_the_strategy_the_edit_and_the_recommender(open_page: Open) -> None:
    app = open_page()
    assert not app.exception
    offered = options(app)
    assert "Toy strategy" in offered["fill-name"]
    assert "Toy edit" in offered["pick-perturb"]
    assert "Toy recommender" in offered["pick-hint"]


@pytest.mark.usefixtures("stocked")
def test_studies_offers_the_study_and_asks_what_its_row_says(open_page: Open) -> None:
    app = open_page("studies")
    assert not app.exception
    assert "Toy study" in options(app)["study-what"]
    app.selectbox(key="study-what").select("toy").run()
    assert not app.exception
    assert "study-k-toy" in [box.key for box in app.number_input]


def test_the_import_card_lists_the_format_and_its_files(open_page: Open) -> None:
    app = open_page("library")
    assert not app.exception
    [card] = [caption for caption in app.caption if caption.value.startswith("Formats: ")]
    assert "Toy files" in card.value
    assert "a file full of toys" in card.help
