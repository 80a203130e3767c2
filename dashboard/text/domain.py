"""What people do with the items of a data set, in words: bought, rated, chose. No Streamlit, no store."""

from dataclasses import dataclass

from dashboard.text.formats import plural


@dataclass(frozen=True)
class Domain:
    """`past`: what a user did with an item. `event`: one such act, as a noun."""

    past: str
    event: str

    def events(self, count: int) -> str:
        """1 purchase, 3 purchases."""
        return plural(count, self.event)


SHOP, RATINGS = Domain("bought", "purchase"), Domain("rated", "rating")
ANY = Domain("chose", "interaction")
"""Of a file that may hold anything: clicks, plays, visits."""

KINDS = {  # beginning of a data set's kind, as imports store it -> its words
    "simulated": SHOP,
    "amazon": SHOP,
    "movielens": RATINGS,
}


def of(kind: str) -> Domain:
    """The words for a data set of this kind (`DatasetInfo.kind`)."""
    return next((words for start, words in KINDS.items() if kind.startswith(start)), ANY)
