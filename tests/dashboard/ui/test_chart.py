"""What is saved of a figure where nobody says otherwise: its marks, with their words."""

import plotly.graph_objects as go

from dashboard.ui.chart import marks


def test_marks_are_saved_with_their_values_and_plain_words() -> None:
    figure = go.Figure()
    figure.add_heatmap(
        z=[[1.5, None], [0.0, -2.0]],
        x=[1, 2],
        y=[1, 2],
        hovertext=[["<b>a &lt; b</b><br>+1.5", ""], ["c", "d"]],
        hoverinfo="text",
    )
    figure.add_scatter(x=[0.1, 0.2], y=[3, 4], hovertext=["one", None], hoverinfo="text")
    figure.add_scatter(x=[9], y=[9], hoverinfo="skip")
    assert marks(figure) == [
        {"x": 1, "y": 1, "value": 1.5, "about": "a < b; +1.5"},
        {"x": 2, "y": 1, "value": None, "about": ""},
        {"x": 1, "y": 2, "value": 0.0, "about": "c"},
        {"x": 2, "y": 2, "value": -2.0, "about": "d"},
        {"x": 0.1, "y": 3, "value": None, "about": "one"},
        {"x": 0.2, "y": 4, "value": None, "about": ""},
    ]


def test_a_figure_without_marks_has_nothing_to_save() -> None:
    assert marks(go.Figure()) == []
