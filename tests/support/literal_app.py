"""A page that shows the strings of the file `strings.json` beside it in every way that a person can read."""

import json
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from dashboard.charts.base import CONFIG
from dashboard.text.literal import md, plain, svg
from dashboard.ui.style import css
from dashboard.ui.titles import title

st.html(css(None))
strings = json.loads(Path(st.query_params["file"]).read_text(encoding="utf-8"))
for at, text in enumerate(strings):
    with st.container(key=f"case-{at}"):
        st.markdown(f"**{md(text)}**")
        st.markdown(f":blue[{md(text)}]")
        st.caption(md(text))
        st.error(md(text))
        st.text(plain(text))
        title(text, lines=2)
        st.button(md(text), key=f"button-{at}", help=md(text))
        st.checkbox(md(text), key=f"checkbox-{at}")
        st.table(pd.DataFrame({"head": [md(text)]}), hide_index=True)
figure = go.Figure(
    go.Scatter(
        x=list(range(len(strings))),
        y=[0] * len(strings),
        mode="text",
        text=[svg(text, 4000) for text in strings],
    )
)
st.plotly_chart(figure, config=CONFIG, theme=None)
st.subheader("drawn")
