"""The frame around every page: title, navigation and the engine's state. `streamlit run dashboard/app.py`.

Boundary: this script and everything it imports talk to the store only. No model is ever loaded here.
"""

import sys
from pathlib import Path

import streamlit as st

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    # `streamlit run` puts this file's folder on the path, not the repository's.
    sys.path.insert(0, str(ROOT))

from dashboard.ui import engine_status, help, notices  # noqa: E402
from dashboard.ui.style import css  # noqa: E402

st.set_page_config(page_title="Dualens", layout="wide", initial_sidebar_state=215)
st.html(css())

# Not in a folder named `pages`: Streamlit takes one beside this script for its older page system and shows
# the first visitor of a deep link that page without this frame.
PAGES = {
    "Explore": [
        st.Page("screens/recommend/page.py", title="Recommend", default=True),
        st.Page("screens/explain/page.py", title="Explain", url_path="explain"),
    ],
    "Prove": [
        st.Page("screens/compare/page.py", title="Compare", url_path="compare"),
        st.Page("screens/studies/page.py", title="Studies", url_path="studies"),
    ],
    "Manage": [
        st.Page("screens/tune/page.py", title="Tune", url_path="tune"),
        st.Page("screens/library/page.py", title="Library", url_path="library"),
    ],
    "Read": [
        st.Page("screens/guide/page.py", title="Guide", url_path="guide"),
    ],
}
current = st.navigation(PAGES, position="hidden")

with st.sidebar:
    st.title("Dualens", anchor=False)
    st.caption("what each demonstration teaches")
    for section, pages in PAGES.items():
        st.caption(section.upper())
        for each in pages:
            st.page_link(each, width="stretch")
    help.page_link(current.title)

with notices.told():
    current.run()

with st.sidebar:  # after the page, which decides what data are shown
    engine_status.foot()
