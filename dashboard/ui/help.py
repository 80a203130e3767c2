"""Links from pages and help texts to the documentation, and where its Markdown lies.

The dashboard itself shows the documentation (screens/guide/) from the Markdown files of `docs/`, which an
installed package carries too. So it needs no second server, no built site and no network.
"""

from pathlib import Path

import streamlit as st

from dashboard.pages import Page
from db.requests.fields import RequestField
from db.version import VERSION

ABOUT = (
    f"**Dualens {VERSION}**\n\nSee what each demonstration does to an in-context-learning LLM recommender."
)
_PACKAGE = Path(__file__).resolve().parents[1]
_INSTALLED, _CHECKOUT = _PACKAGE / "docs", _PACKAGE.parent / "docs"
FOLDER = _INSTALLED if _INSTALLED.is_dir() else _CHECKOUT

# Section -> (file without .md, title), in the order of mkdocs.yml; a test holds the two equal.
CONTENTS: dict[str, tuple[tuple[str, str], ...]] = {
    "": (("index", "Start"),),
    "Pages": (
        ("recommend", "Recommend"),
        ("sets", "Sets"),
        ("explain", "Explain"),
        ("compare", "Compare"),
        ("runs", "Runs"),
        ("studies", "Studies"),
        ("experiments", "Experiments"),
        ("tune", "Tune"),
        ("library", "Library"),
        ("present", "Report and present"),
        ("judge", "Judge"),
    ),
    "Bring your own": (
        ("data", "Your data"),
        ("models", "Your models"),
        ("templates", "Your prompts"),
        ("outside", "Your recommender"),
        ("forget", "Forget"),
        ("production", "Prompts in production"),
        ("deploy", "GPU, several machines, PostgreSQL"),
        ("people", "Several people"),
    ),
    "Reference": (
        ("commands", "Commands"),
        ("python", "Python"),
        ("choices", "Choices"),
        ("glossary", "Glossary"),
    ),
    "Science": (
        ("methods", "Methods"),
        ("formulas", "Formulas"),
        ("study-designs", "Study designs"),
    ),
    "Results": (
        ("results", "Overview and limits"),
        ("results-decide", "Should you use demonstrations?"),
        ("results-smollm2", "A real model"),
        ("results-experiments", "Two experiments"),
        ("results-effects", "Effects"),
        ("results-strategies", "Strategies"),
        ("results-recicl", "RecICL"),
        ("results-baselines", "Baselines"),
        ("results-speed", "Speed"),
    ),
    "Development": (("architecture", "Architecture"), ("extending", "Add something")),
}
_CURRENT = "guide-page"
FEW = 8  # choices that a help text explains; more of them are on their page
TITLES = dict(row for rows in CONTENTS.values() for row in rows)


def url(place: str) -> str:
    """Relative address of a documentation page (`glossary`) or a section of one (`glossary#nats`)."""
    name, _, section = place.partition("#")
    return f"guide?doc={name}" + (f"#{section}" if section else "")


def page_link(page: Page) -> None:
    """The page's title, what it is for, and a link to its documentation, in a new tab so that work stays.

    Help texts that name no place link there too. The title is a second-level heading: the product's name is
    the first level, the sections of a page are the third.
    """
    st.session_state[_CURRENT] = page.docs or "index"
    st.header(page.title, anchor=False)
    st.caption(page.about)
    if page.docs:
        label = f"Guide to {page.title}" if page.listed else "More in the Guide"
        st.caption(f"[{label}]({url(page.docs)})")


def more(text: str, place: str = "") -> str | None:
    """A help text (Markdown) that ends in a link to its documentation, or to that of the page drawn.

    None without a text: a widget then has no help.
    """
    return f"{text} [Guide]({url(place or st.session_state.get(_CURRENT, 'index'))})" if text else None


def of(field: RequestField, note: str = "") -> str | None:
    """The help of a request's field: what it asks (or `note`), then what each of a few choices does."""
    rows = list((field.choices or {}).values())
    lines = [f"- **{row.label}**: {row.about}" for row in rows] if len(rows) <= FEW else []
    text = note or f"{field.asked.about}."
    return more("\n".join([text, *(["", *lines, ""] if lines else [])]), field.guide)
