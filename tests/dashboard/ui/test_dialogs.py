"""Which dialog is open, and that it begins anew."""

from streamlit.testing.v1 import AppTest


def page() -> None:
    import streamlit as st

    from dashboard.ui import dialogs

    st.button("Open", on_click=dialogs.show, args=("sets", 7))
    st.button("Dismiss", on_click=dialogs.close)
    st.text(f"{dialogs.about('sets')} {dialogs.about('pool')} {dialogs.any_open()} {dialogs.key('tab')}")


def test_a_dialog_stays_open_and_begins_with_the_first_tab_when_it_is_opened_again() -> None:
    """Also where the page was never drawn whole without it, after which Streamlit forgets its widgets."""
    app = AppTest.from_function(page).run()
    said = [app.text[0].value]
    for pressed in (0, None, 1, 0):
        (app if pressed is None else app.button[pressed].click()).run()
        said.append(app.text[0].value)
    assert said == [
        "None None False tab-0",
        "(7,) None True tab-1",
        "(7,) None True tab-1",
        "None None False tab-1",
        "(7,) None True tab-2",
    ]
