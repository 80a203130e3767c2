"""Plotly figures, one function per file: numbers in, figure out; no Streamlit, no store."""
