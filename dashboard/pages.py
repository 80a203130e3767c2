"""The pages of the dashboard, one row each: the navigation, links and the documentation are made from it.

A page is a folder `screens/NAME/` with a `page.py` that draws it, and a row here. (Not in a folder named
`pages`: Streamlit takes one beside `app.py` for its older page system and shows the first visitor of a deep
link that page without its frame.) No Streamlit here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

SCREENS = Path(__file__).with_name("screens")


@dataclass(frozen=True)
class Page:
    """One page. `name`: its folder and its address. `about`: what it is for, in one sentence. `docs`: its
    page of the documentation, empty without one. `reads`: it shows what is stored, and so stays where nothing
    may change. `listed`: the navigation has it; else other pages lead there. `screens`: where its folder
    stands."""

    name: str
    title: str
    section: str
    about: str
    docs: str = ""
    reads: bool = False
    listed: bool = True
    screens: Path = SCREENS

    @property
    def script(self) -> Path:
        """The file that draws it."""
        return self.screens / self.name / "page.py"


PAGES: list[Page] = [
    Page(
        "recommend",
        "Recommend",
        "Explore",
        "Rank a user's candidates with and without demonstrations, and weight each demonstration.",
        "recommend",
    ),
    Page(
        "explain",
        "Explain",
        "Explore",
        "See what each demonstration of a run does, how sure that is and how stable.",
        "explain",
        reads=True,
    ),
    Page(
        "compare",
        "Compare",
        "Prove",
        "Compare two to four stored runs, and find out which of their differences did it.",
        "compare",
        reads=True,
    ),
    Page(
        "runs",
        "Runs",
        "Prove",
        "Find stored runs again; star, tag and annotate them, compare or delete them.",
        "runs",
        reads=True,
    ),
    Page(
        "studies",
        "Studies",
        "Prove",
        "Evaluate a setup over many users, with intervals and paired tests.",
        "studies",
        reads=True,
    ),
    Page(
        "experiments",
        "Experiments",
        "Prove",
        "Compare any grid of settings on the same users and candidate lists.",
        "experiments",
        reads=True,
    ),
    Page(
        "present",
        "Present",
        "Prove",
        "Show a run, a comparison or a study step by step, to other people.",
        "present",
        reads=True,
    ),
    Page(
        "judge",
        "Judge",
        "Prove",
        "Let people pick the better of two lists blindly.",
        "judge",
        reads=True,
    ),
    Page("tune", "Tune", "Manage", "Tune a model or fit a recommender on a data set.", "tune"),
    Page("library", "Library", "Manage", "Manage data sets, models, jobs and storage.", "library"),
    Page(
        "tour",
        "Guided start",
        "Read",
        "See in one minute, on stored runs, what a demonstration can do.",
        "present",
        reads=True,
        listed=False,
    ),
    Page("guide", "Guide", "Read", "Read the documentation.", reads=True),
]
"""In the order of the navigation; the first opens without an address, or else `READS_FIRST`."""

READS_FIRST = "present"


def shown(*, read_only: bool) -> list[Page]:
    """The pages of a dashboard; `read_only`: of one that only shows what is stored."""
    return [page for page in PAGES if page.reads or not read_only]


def sections(pages: Sequence[Page]) -> dict[str, list[Page]]:
    """The pages by section, in order."""
    return {section: list(group) for section, group in groupby(pages, lambda page: page.section)}
