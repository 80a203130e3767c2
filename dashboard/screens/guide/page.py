"""Guide: the documentation, offline, with the contents at the side."""

import streamlit as st

from dashboard.screens.guide.markdown import Image, parts
from dashboard.ui import help
from dashboard.ui.notices import empty, told


def page() -> None:
    """Draw the page of documentation that the address names, or the first one."""
    name = st.query_params.get("doc", "index")
    side, text = st.columns((1, 4), gap="medium")
    with side, st.container(key="guide-contents"):
        st.page_link("screens/tour/page.py", label="Guided start, one minute")
        contents(name)
    with text, st.container(key="guide-text"):
        if name not in help.TITLES:
            empty("There is no such page", "Choose one on the left.", 200)
            return
        body(name)


def contents(current: str) -> None:
    """All pages by section; the current one is bold."""
    lines = []
    for section, rows in help.CONTENTS.items():
        lines.append(f"\n**{section}**\n" if section else "")
        for name, title in rows:
            link = f'<a href="{help.url(name)}" target="_self">{title}</a>'
            lines.append(f"- **{link}**" if name == current else f"- {link}")
    st.markdown("\n".join(lines), unsafe_allow_html=True)


def body(name: str) -> None:
    """The text and the pictures of one page."""
    source = (help.FOLDER / f"{name}.md").read_text(encoding="utf-8")
    for part in parts(source, st.context.theme.type or "light", help.url):
        if isinstance(part, Image):
            st.image(help.FOLDER / part.path, caption=part.alt, alt=part.alt)
        else:
            st.markdown(part, unsafe_allow_html=True)


with told():
    page()
