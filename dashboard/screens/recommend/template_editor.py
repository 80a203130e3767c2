"""The text of a prompt template beside the prompt that it writes for this user; saved under a name.

The engine reads the text: it knows what is wrong with it, and where. A draft is kept for the session until
it is saved or given up.
"""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from dashboard.state import asking, session, widgets
from dashboard.state.view import View
from dashboard.state.waiting import Answer, wait
from dashboard.text import values
from dashboard.text.literal import md, plain
from dashboard.ui import dialogs, forms, help, progress, rights
from dashboard.ui import prompt as prompts
from dashboard.ui.notices import problem, told
from db import jobs, templates
from db.choices import SCORINGS, TEMPLATES
from db.templates import StoredTemplate

NAME = "template"  # of the dialog
WAIT_S = 2.0
ROOM_PX = 470
HEIGHT_PX = 430
KIND = "template"  # of the jobs
OPENED = "template_opened"  # in the session: how often the dialog was
# Sections that rank nothing: what is asked of the model by them.
OTHERS = {
    "free": "free text: titles",
    "rating": "a rating",
    "explanation": "an explanation",
    "summary": "a summary of a review",
}
NO_SAVING = "Nobody saves or deletes templates here: this page is open to everyone."


def opener(view: View, own: StoredTemplate | None) -> None:
    """The button that opens the dialog on the view's template; and undo, where one was just deleted."""
    st.button(
        "New from this one" if own is None else "Edit",
        key="template-edit",
        disabled=view.request() is None,
        on_click=_opened,
        args=(view.options.template,),
        help="Its text beside the prompt that it writes for this user.",
    )
    _undo("picker")


def _opened(reference: str) -> None:
    dialogs.show(NAME, reference)
    st.session_state[OPENED] = st.session_state.get(OPENED, 0) + 1


def beneath(key: str) -> str:
    """The key of the popover that holds the opener: another one, hence closed, once the dialog was opened.

    An open popover would lie over the dialog.
    """
    times = st.session_state.get(OPENED, 0)
    return f"{key}-{times}" if times else key


def shown(view: View) -> None:
    """The dialog, as long as it is open."""
    about = dialogs.about(NAME)
    if about is not None:
        _dialog(view, about[0])


@st.dialog("Prompt template", width="large", on_dismiss=dialogs.close)
@told()
def _dialog(view: View, reference: str) -> None:
    st.caption(
        help.more(
            "Left the template, right the prompt it writes for this user, as the model reads it. To see a "
            "change, leave the field or press Ctrl+Enter. Nothing is kept before you save.",
            "templates#a-template-of-your-own",
        )
    )
    own = None if reference in TEMPLATES else templates.get(session.store(), reference)
    if own is not None:
        _editor(view, reference, own, own.text)
        return
    answer = asking.once("template_start", KIND, {"template": reference}, WAIT_S)
    progress.later(
        answer,
        "Reading the template",
        ROOM_PX,
        lambda ended: (
            _editor(view, reference, None, ended.result["text"])
            if ended.result is not None
            else problem(ended.error or "")
        ),
    )


def _editor(view: View, reference: str, own: StoredTemplate | None, start: str) -> None:
    name = f"template-text-{reference}"
    text = widgets.kept(name, start)
    with st.container(key="template-editor"):
        left, right = st.columns((1, 1.1), gap="medium")
    with left:
        key = widgets.showing(name, text)
        st.text_area(
            "Template",
            text,
            HEIGHT_PX,
            key=key,
            max_chars=templates.LARGEST,
            on_change=_typed,
            args=(name, key),
            label_visibility="collapsed",
        )
        _save_line(reference, own, key, changed=text != start)
    with right:
        scorings = own.scorings if own is not None else TEMPLATES[reference].scorings
        _preview(view, text, _scoring(view, reference, scorings))


def _typed(name: str, key: str) -> None:
    widgets.keep(name, st.session_state[key] or "")


def _scoring(view: View, reference: str, scorings: Sequence[str]) -> str:
    """What the prompt shown is for: a scoring, or one of `OTHERS`; at first the scoring of Options, if the
    template has it."""
    asked = view.options.scoring
    return forms.choose(
        "Prompt for",
        f"template-scoring-{reference}",
        [*(name for name in SCORINGS if name not in OTHERS), *OTHERS],
        asked if asked in scorings else "auto",
        format_func=lambda name: OTHERS.get(name) or values.label(SCORINGS, name),
    )


def _preview(view: View, text: str, scoring: str) -> None:
    """The prompt of this text; of the text before, while this one has a fault, which is said above it."""
    request = view.request()
    if request is None:
        return
    other = scoring in OTHERS
    asked = replace(request, template="plain", scoring="auto" if other else scoring)
    payload = {"request": asked.to_json(), "text": text, **({"wanted": scoring} if other else {})}
    answer = asking.once("template_preview", KIND, payload, WAIT_S)

    def draw(ended: Answer) -> None:
        seen = st.session_state.get("template_seen", (None, None))
        if ended.result is None:
            problem(ended.error or "")
            if seen[0] != request.user:
                return
            st.caption(":orange[Note:] below is the prompt of the last text without a fault.")
            prompts.prompt(seen[1], short=True)
            return
        st.session_state.template_seen = (request.user, ended.result)
        prompts.prompt(ended.result)

    progress.later(answer, "Writing the prompt", ROOM_PX, draw)


def _save_line(reference: str, own: StoredTemplate | None, text_key: str, *, changed: bool) -> None:
    """The name, Save, and what else can be done with the text."""
    start = own.name if own is not None else f"my-{reference}"
    name_key = widgets.drafting("template-name", start)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.text_input("Save as", start, key=name_key)
        rights.change_button(
            "Save and use",
            type="primary",
            key="template-save",
            on_click=_save,
            args=(text_key, name_key),
            help="Keeps the text and ranks with it. Runs of an older text of this name stay as they are.",
            why=NO_SAVING,
        )
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button(
            "Discard changes",
            key="template-discard",
            disabled=not changed,
            on_click=widgets.forget,
            args=(f"template-text-{reference}",),
        )
        if own is not None and _deleted() != own:
            rights.change_button(
                f"Delete {plain(own.name, 30)}",
                key="template-delete",
                on_click=_delete,
                args=(own,),
                help="Takes it off the list. Its runs stay readable.",
                why=NO_SAVING,
            )
        _undo("editor")
    _saving(reference)


def _save(text_key: str, name_key: str) -> None:
    payload = {
        "text": st.session_state[text_key] or "",
        "save_as": (st.session_state[name_key] or "").strip(),
    }
    st.session_state.template_save = jobs.submit(session.store(), KIND, payload).id


def _saving(reference: str) -> None:
    """How saving ended: the saved template becomes the view's, and the dialog closes."""
    if "template_save" not in st.session_state:
        return
    answer = wait(session.store(), jobs.get(session.store(), st.session_state.template_save), WAIT_S)

    def ended(answer: Answer) -> None:
        del st.session_state.template_save
        if answer.result is None:
            problem(answer.error or "")
            return
        widgets.forget(f"template-text-{reference}")
        st.session_state.pop("deleted_template", None)  # it may be what was saved
        session.show(session.view().asking(template=answer.result["reference"]))
        dialogs.close()
        st.rerun()

    progress.later(answer, "Saving", 40, ended)


def _delete(own: StoredTemplate) -> None:
    templates.delete(session.store(), own.name)
    view = session.view()
    st.session_state.deleted_template = (own, view.options.template)
    if view.options.template == own.reference:
        session.show(view.asking(template="plain"))


def _deleted() -> StoredTemplate | None:
    """What was deleted last in this session."""
    return st.session_state.get("deleted_template", (None,))[0]


def _undo(place: str) -> None:
    own = _deleted()
    if own is None:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"Deleted {md(own.name, 30)}. Its runs stay readable.", width="content")
        st.button("Undo", key=f"undo-template-{place}", on_click=_restore)


def _restore() -> None:
    own, chosen = st.session_state.pop("deleted_template")
    templates.save(session.store(), own.name, own.text, own.scorings)
    if chosen == own.reference:
        session.show(session.view().asking(template=chosen))
