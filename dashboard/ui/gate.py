"""Where people sign in: who has not, or may not come in, sees this and nothing else."""

import streamlit as st

from dashboard.doors import sign_in
from dashboard.text.literal import md

ALLOW: list[str] | None = None
"""Who may come in, as the file of `--sign-in` lists them; None: everyone. Set once, by `dashboard.serve`."""
PROVIDER: str | None = None
"""The named provider of that file, if it has one."""


def passed() -> bool:
    """Whether the page may be drawn; else what to do has been drawn instead."""
    if ALLOW is None:
        return True
    person = dict(st.user)
    if sign_in.may_come_in(person, ALLOW):
        return True
    st.title("Dualens", anchor=False)
    if not person.get("is_logged_in"):
        st.caption("Sign in to see the data, models and runs of this server.")
        st.button("Sign in", key="sign-in", type="primary", on_click=st.login, args=(PROVIDER,))
    else:
        name = md(str(person.get("email") or "without an address"), 80)
        st.caption(f"You are signed in as {name}, who may not come in here. Ask the server's owner.")
        st.button("Sign out", key="sign-out", on_click=st.logout)
    return False


def foot() -> None:
    """Who is signed in, and a way to sign out; nothing where nobody has to."""
    if ALLOW is not None:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(md(str(st.user.get("email")), 28))
            st.button("Sign out", key="sign-out", on_click=st.logout, type="tertiary")
