"""A page of Streamlit with four sliders and one line: what a new window and a move cost before a program does
anything. `python -m tests.load.slider` measures it beside the desk."""

import streamlit as st

weights = [st.slider(f"weight {place}", 0.0, 3.0, 1.0, 0.1) for place in range(4)]
with st.container(key="bump-lists"):
    st.html(f'<p class="ranks right" data-run="{weights}">{weights}</p>')
