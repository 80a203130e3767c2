"""Parts of pages: each draws one thing with native Streamlit elements and files what the person asked for."""
