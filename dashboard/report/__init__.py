"""What other people are shown: a run, a comparison or a study as a story, as a file and on the page Present.

Boundary: reads the store alone; loads no model and knows no Streamlit. `kinds` is the table of what can be
told, each told by a module of its own as a `story.Story`; `document` writes a story as one HTML file, the
page Present shows it step by step.
"""
