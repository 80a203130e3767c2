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

from dashboard.style import css  # noqa: E402
from dashboard.widgets import engine, notices  # noqa: E402

st.set_page_config(page_title="Dualens", layout="wide", initial_sidebar_state=215)
st.html(css())

# Not in a folder named `pages`: Streamlit takes one beside this script for its older page system and shows
# the first visitor of a deep link that page without this frame.
PAGES = {
    "Explore": [
        st.Page("screens/recommend.py", title="Recommend", default=True),
        st.Page("screens/explain.py", title="Explain"),
    ],
    "Prove": [
        st.Page("screens/compare.py", title="Compare"),
        st.Page("screens/studies.py", title="Studies"),
    ],
    "Manage": [
        st.Page("screens/tune.py", title="Tune"),
        st.Page("screens/library.py", title="Library"),
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

with notices.told():
    current.run()

with st.sidebar:  # after the page, which decides what data are shown
    engine.foot()
