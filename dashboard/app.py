"""The frame around every page: title, navigation and the engine's state. Served by `dashboard.serve`.

Boundary: this script and everything it imports talk to the store only. No model is ever loaded here.
"""

import sys
from pathlib import Path

import streamlit as st

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    # `streamlit run` puts this file's folder on the path, not the repository's.
    sys.path.insert(0, str(ROOT))

from dashboard import pages  # noqa: E402
from dashboard.state import links  # noqa: E402
from dashboard.ui import callbacks, engine_status, gate, help, live, notices, rights  # noqa: E402
from dashboard.ui.style import css  # noqa: E402

st.set_page_config(
    page_title="Dualens", layout="wide", initial_sidebar_state=215, menu_items={"About": help.ABOUT}
)
st.html(css(st.context.theme.type))
if not gate.passed():
    st.stop()

shown = pages.shown(read_only=rights.reads_only())
drawn = {
    page: st.Page(page.script, title=page.title, url_path=page.name, default=page is pages.PAGES[0])
    for page in shown
}
sections = pages.sections(shown)
known = {section: [drawn[page] for page in group] for section, group in sections.items()}
if pages.PAGES[0] not in shown:  # what opens without an address is a page of its own: its links keep theirs
    first = next(page for page in shown if page.name == pages.READS_FIRST)
    known[""] = [st.Page(first.script, title=first.title, url_path="start", default=True)]
current = st.navigation(known, position="hidden")

live.returning()
with st.sidebar:
    st.title("Dualens", anchor=False)
    st.caption("what each demonstration does")
    with st.container(gap="xsmall"):
        for section, group in sections.items():
            st.caption(section.upper())
            for page in (each for each in group if each.listed):
                st.page_link(drawn[page], width="stretch", query_params=links.kept(page.name) or None)
    help.page_link(next(page for page in shown if page.title == current.title))

with notices.told():
    callbacks.show(current.title)
    current.run()

with st.sidebar:  # after the page, which decides what data are shown
    gate.foot()
    engine_status.foot()
