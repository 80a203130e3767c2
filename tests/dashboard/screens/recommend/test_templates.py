"""Prompt templates on Recommend: the picker, what it says before a run, the editor, saving and deleting."""

from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.screens.recommend.template_picker import offered, scoring_note, turns_note
from dashboard.text.literal import block
from dashboard.ui import prompt
from db import jobs, models, templates
from db.choices import TEMPLATES
from db.endpoints import Endpoint, Ways
from db.models import ModelInfo
from db.requests import RunRequest
from db.store import Store
from tests.support import fake_template, shop
from tests.support.fake_engine import FakeEngine, rank
from tests.support.reading import button, later, named, texts, until

Open = Callable[..., AppTest]
LINK = {"data": "simulated", "user": "shopper 0012", "model": "embedded"}
OWN = fake_template.text_of(None, "films")  # type: ignore[arg-type]
SCORINGS = ("sum", "mean", "calibrated", "yes_no", "listwise")


@pytest.fixture
def stocked(store: Store) -> Store:
    shop.stock(store)
    rank(store, RunRequest("simulated", "shopper 0012"))
    return store


def picker(app: AppTest) -> Any:
    return named(app.selectbox, "pick-template")


def opened(app: AppTest, label: str = "New from this one") -> AppTest:
    """The editor, with its first prompt."""
    button(app, label).click().run()
    later(app, lambda: any("prompt-legend" in str(part.value) for part in app.html), "the prompt")
    return app


def written(app: AppTest, text: str) -> AppTest:
    """Another text in the editor."""
    named(app.text_area, next(str(area.key) for area in app.text_area).partition("~")[0]).set_value(text)
    return app.run()


def test_it_offers_the_programs_templates_and_peoples_own(open_page: Open, stocked: Store) -> None:
    templates.save(stocked, "TALLRec", OWN + "\n# old", SCORINGS)
    newest = templates.save(stocked, "TALLRec", OWN, SCORINGS)
    app = open_page(**LINK)
    labels = picker(app).options
    assert labels[: len(TEMPLATES)] == [row.label for row in TEMPLATES.values()]
    assert labels[len(TEMPLATES) :] == ["TALLRec · own"], (
        "the newest of a name alone, told from the program's"
    )
    picker(app).set_value(newest.reference).run()
    assert app.query_params["template"] in (newest.reference, [newest.reference])
    assert "Saved just now." in texts(app)


def test_a_link_reopens_the_exact_text(open_page: Open, stocked: Store) -> None:
    older = templates.save(stocked, "mine", OWN + "\n# old", SCORINGS)
    newest = templates.save(stocked, "mine", OWN, SCORINGS)
    app = open_page(**LINK, template=older.reference)
    assert picker(app).value == older.reference
    assert f"{older.reference} · not the newest text" in picker(app).options
    app = open_page(**LINK, template="mine")
    assert picker(app).value == newest.reference, "a name alone becomes the text it means now"
    assert app.query_params["template"] in (newest.reference, [newest.reference])


def test_a_template_that_is_not_there_is_said_once_and_clearly(open_page: Open, stocked: Store) -> None:
    app = open_page(**LINK, template="lost@0123456789ab")
    assert not app.exception
    assert "lost@0123456789ab · not there" in picker(app).options
    assert "this template is not in the workspace. Choose another one." in texts(app)
    assert "There is no prompt template 'lost@0123456789ab'. There are: plain" in texts(app)
    picker(app).set_value("films").run()
    assert "is not in the workspace" not in texts(app)


@pytest.mark.parametrize(
    "name", ["x" * 10_000, "a\x00b", "<b>*x*</b> $y$", "../../etc/passwd", "\u202e😀@0", "mine@%", "--json"]
)
def test_whatever_a_link_calls_a_template_the_page_is_there(
    open_page: Open, stocked: Store, name: str
) -> None:
    app = open_page(**LINK, template=name)
    assert not app.exception
    assert "this template is not in the workspace. Choose another one." in texts(app)
    picker(app).set_value("films").run()
    assert "is not in the workspace" not in texts(app)


def test_a_template_without_the_chosen_scoring_says_so_before_a_run(open_page: Open, stocked: Store) -> None:
    app = open_page(**LINK, template="tallrec", scoring="mean")
    assert "it has no question for “mean per token”. Choose “Yes or No per item”." in texts(app)
    assert not jobs.listing(stocked)
    named(app.selectbox, "pick-scoring").set_value("yes_no").run()
    assert "it has no question" not in texts(app)


def test_auto_says_which_scoring_it_means() -> None:
    model = ModelInfo("m", "/m", "r", "Toy", 1, 1)
    assert "it ranks by “Yes or No per item”" in scoring_note(["yes_no"], "auto", model)
    assert scoring_note(["calibrated"], "auto", model) == ""
    assert scoring_note(["yes_no"], "auto", None) == ""
    assert scoring_note(["free"], "auto", model) == ""
    assert "Choose another template." in scoring_note(["free"], "mean", model)
    assert "free" not in scoring_note(["yes_no", "free"], "mean", model)
    assert scoring_note(["yes_no", "free"], "free", model) == "", "the run says why"


def test_auto_at_an_endpoint_is_said_to_be_what_its_server_answers() -> None:
    endpoint = Endpoint("http://127.0.0.1:8000/v1", "tiny", ways=Ways(chat_next=20, chat=True))
    details = {"endpoint": endpoint.as_dict(), "scoring": endpoint.best}
    far = ModelInfo("far", endpoint.source, "r", "endpoint", 0, 4096, details)
    assert "it ranks by “one label from a list”" in scoring_note(["sum", "listwise", "free"], "auto", far)
    assert scoring_note(["sum"], "auto", far) == "", "the run says what it needs"


def test_turns_at_an_endpoint_go_with_scorings_by_chat() -> None:
    ways = Ways("echo", 20, True, 20, True, True)
    endpoint = Endpoint("http://127.0.0.1:8000/v1", "tiny", ways=ways)
    details = {"endpoint": endpoint.as_dict(), "scoring": endpoint.best}
    far = ModelInfo("far", endpoint.source, "r", "endpoint", 0, 4096, details)
    said = turns_note("calibrated", far)
    assert (
        "plain text, which has no turns. Choose one turn, or rank by “Yes or No per item” or “one la" in said
    )
    assert turns_note("auto", far) == turns_note("yes_no", far) == ""
    note = scoring_note(["calibrated", "yes_no"], "auto", far, "chat")
    assert note.endswith("in turns it ranks by “Yes or No per item”.")
    assert scoring_note(["calibrated", "yes_no"], "auto", far) == ""
    assert turns_note("auto", None).startswith("Not every model")


@pytest.mark.parametrize(("chat", "drawn"), [(True, True), (False, False), (None, True)])
def test_turns_are_offered_where_the_model_may_have_a_chat_template(
    open_page: Open, stocked: Store, chat: bool | None, drawn: bool
) -> None:
    details = {} if chat is None else {"chat": chat}
    models.register(stocked, ModelInfo("instruct", "/instruct", "r2", "Toy", 1000, 128, details))
    app = open_page(**LINK | {"model": "instruct"})
    assert any(str(box.key).startswith("pick-turns") for box in app.selectbox) == drawn
    assert ("With instruct: one turn." in texts(app)) == (chat is True)
    app = open_page(**LINK | {"model": "instruct"}, turns="chat")
    said = texts(app)
    assert ("the model has no chat template here" in said) == (chat is False)
    assert ("the run says so" in said) == (chat is None)


def test_the_editor_shows_the_prompt_and_saves_what_was_written(open_page: Open, stocked: Store) -> None:
    with FakeEngine(stocked):
        app = open_page(**LINK, template="films")
        opened(app)
        assert app.text_area[0].value == OWN
        assert "2,048 tokens. 1 demonstration did not fit and was cut." in texts(app)
        changed = OWN.replace("introduction", "introduction", 1) + "\n# <script>alert(1)</script> :smile:\n"
        written(app, "# **New** <b>first</b> line\n" + changed)
        assert "# **New** <b>first</b> line" in texts(app), "text is never read as Markdown or HTML"
        named(app.text_input, "template-name").set_value("mine").run()
        button(app, "Save and use").click().run()
        until(app, "Recommendations")
    kept = templates.get(stocked, "mine")
    assert kept.text == "# **New** <b>first</b> line\n" + changed
    assert app.query_params["template"] in (kept.reference, [kept.reference])
    assert not app.text_area, "the dialog is closed"


def test_a_fault_stands_beside_the_text_and_the_last_prompt_stays(open_page: Open, stocked: Store) -> None:
    with FakeEngine(stocked):
        app = open_page(**LINK, template="films")
        opened(app)
        written(app, OWN.replace("{history}", "{user}"))
        later(app, lambda: app.error, "the fault")
        assert fake_template.FAULT in texts(app)
        assert "below is the prompt of the last text without a fault" in texts(app)
        assert any("prompt-legend" in str(part.value) for part in app.html)
        button(app, "Save and use").click().run()
        until(app, fake_template.FAULT)
        assert not templates.listing(stocked)
        button(app, "Discard changes").click().run()
        assert app.text_area[0].value == OWN


def test_a_name_that_cannot_be_used_is_said(open_page: Open, stocked: Store) -> None:
    with FakeEngine(stocked):
        app = opened(open_page(**LINK, template="films"))
        named(app.text_input, "template-name").set_value("tallrec").run()
        button(app, "Save and use").click().run()
        until(app, "The template name 'tallrec' is taken by one that comes with the program.")
    assert not templates.listing(stocked)


def test_an_own_template_is_deleted_and_brought_back(open_page: Open, stocked: Store) -> None:
    kept = templates.save(stocked, "mine", OWN, SCORINGS)
    with FakeEngine(stocked):
        app = opened(open_page(**LINK, template=kept.reference), "Edit")
        button(app, "Delete mine").click().run()
        assert not templates.listing(stocked)
        assert "Deleted mine. Its runs stay readable." in texts(app)
        assert picker(app).value == "plain"
        button(app, "Undo").click().run()
    assert [each.reference for each in templates.listing(stocked)] == [kept.reference]
    assert picker(app).value == kept.reference


def test_after_one_was_deleted_another_can_be(open_page: Open, stocked: Store) -> None:
    first, second = (templates.save(stocked, name, OWN, SCORINGS) for name in ("one", "two"))
    with FakeEngine(stocked):
        app = opened(open_page(**LINK, template=first.reference), "Edit")
        button(app, "Delete one").click().run()
        assert "Delete one" not in [each.label for each in app.button]
        picker(app).set_value(second.reference).run()
        opened(app, "Edit")
        button(app, "Delete two").click().run()
    assert not templates.listing(stocked)
    assert "Deleted two." in texts(app)
    assert "Deleted one." not in texts(app)


def test_visitors_neither_save_nor_delete(
    open_page: Open, stocked: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUALENS_CHANGES", "false")
    kept = templates.save(stocked, "mine", OWN, SCORINGS)
    with FakeEngine(stocked):
        app = opened(open_page(**LINK, template=kept.reference), "Edit")
        assert button(app, "Save and use").disabled
        assert button(app, "Delete mine").disabled
        assert "Nobody saves or deletes templates here" in button(app, "Save and use").help


def test_own_templates_have_names_of_their_own(store: Store) -> None:
    for name in ("films", "plain"):
        assert name in {each.reference for each in offered(store, "plain", 0.0)}
    labels = [each.label for each in offered(store, "gone@12", 0.0)]
    assert len(set(labels)) == len(labels) == len(TEMPLATES) + 1


def test_a_prompt_is_shown_as_it_is() -> None:
    segments = [
        {"kind": "demo", "index": 1, "text": "<b>x</b>\n\n  two & \u202ethree", "length": 3},
        {"kind": '"><script>', "index": 0, "text": "y", "length": 1},
    ]
    shown = {"segments": segments, "scoring": "yes_no", "unit": "token"}
    html = prompt.text(shown)
    assert "&lt;b&gt;x&lt;/b&gt;\n\n  two &amp; three" in html
    assert "<script>" not in html + prompt.bar(shown) + prompt.legend(shown)
    assert "demonstration 2 · 3 tokens" in html
    assert "demonstrations <b>3</b>" in prompt.legend(shown)
    assert block("a\tb\r\nc") == "a\tb\nc"


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        ([], "5 of 9 tokens. Nothing was cut."),
        (["demo"], "5 of 9 tokens. 1 demonstration did not fit and was cut."),
        (
            ["demo", "history", "history"],
            "5 of 9 tokens. 1 demonstration and 2 items did not fit and were cut.",
        ),
    ],
)
def test_what_was_cut_is_said(lost: list[str], said: str) -> None:
    shown = {"length": 5, "room": 9, "unit": "token", "dropped": [{"kind": kind} for kind in lost]}
    shown |= {"scoring": "yes_no", "exact": True}
    assert prompt.about(shown) == f"{said} Ranks by Yes or No per item."
    assert "joins lines" in prompt.about(shown | {"exact": False})


@pytest.mark.parametrize(
    ("wanted", "said", "asked"),
    [
        ("free", "The model writes titles.", "candidates"),
        ("rating", "Each rating is scored as an answer.", "item"),
        ("summary", "The model writes the review in a few words.", "review"),
        ("explanation", "The model writes why the item fits.", "candidate"),
        ("listwise", "Ranks by one label from a list.", "candidates"),
    ],
)
def test_a_prompt_that_ranks_nothing_says_what_it_is_for(wanted: str, said: str, asked: str) -> None:
    segments = [{"kind": "ask", "index": 0, "text": "x", "length": 1}]
    shown = {"segments": segments, "scoring": wanted, "unit": "token", "length": 1, "room": 9, "dropped": []}
    assert said in prompt.about(shown | {"exact": True})
    assert f"</i>{asked} <b>1</b>" in prompt.legend(shown)


def test_without_a_tokenizer_characters_are_counted(open_page: Open, stocked: Store) -> None:
    endpoint = Endpoint("http://127.0.0.1:8000/v1", "tiny", ways=Ways(chat_next=20, chat=True))
    details = {"endpoint": endpoint.as_dict(), "scoring": endpoint.best}
    models.register(stocked, ModelInfo("far", endpoint.source, "r", "endpoint", 0, 4096, details))
    with FakeEngine(stocked):
        app = opened(open_page(**LINK | {"model": "far"}, template="films"))
        until(app, "characters of about 2,048; the server alone counts tokens.")
        shown = "".join(str(part.value) for part in app.html)
        assert "Characters by part" in shown
        assert "system message · 21 characters" in shown
        assert " tokens" not in shown
        box = named(app.selectbox, "template-scoring-films")
        box.set_value("rating").run()
        until(app, "Each rating is scored as an answer.")
