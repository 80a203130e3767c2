"""The address of a page that was opened without parameters, completed where it stands.

Streamlit adds a step to the browser's history whenever a script writes parameters. Where nobody chose
anything, as when a page picks what to show first, that step would be a click on Back that does nothing.
"""

import json
from collections.abc import Mapping
from urllib.parse import urlencode

import streamlit as st

_SCRIPT = """<script>
if (!location.search && location.pathname.endsWith(%s)) history.replaceState(history.state, "", %s);
</script>"""


def complete(page: str, params: Mapping[str, str]) -> None:
    """Let the address of `page` name what it shows, so that it can be copied and reloaded.

    Only where it names nothing yet; what a person chooses is written to `st.query_params`.
    """
    with st.container(key="address"):  # always there, so that nothing below moves when it is empty
        if not st.query_params.to_dict():
            path, query = (json.dumps(text) for text in (f"/{page}", f"?{urlencode(params)}"))
            st.html(_SCRIPT % (path, query), unsafe_allow_javascript=True)
