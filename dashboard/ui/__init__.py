"""Streamlit parts that several pages share: frame, notices, forms, progress, theme."""
