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


WORK = {
    "setup": "setting up",
    "rank": "ranking",
    "effects": "effects",
    "export": "rendering a prompt",
    "forget": "forgetting",
    "pool": "pool of demonstrations",
    "predicted": "effects of a pool",
    "optimize": "choosing demonstrations",
    "spread": "perturbation spread",
    "forward": "forward tuning",
    "peers": "other recommenders",
    "attribution": "which difference did it",
    "explain": "looking inside a run",
    "catalogue": "whole catalogue",
    "preview": "preview of files",
    "import": "import",
    "purge": "deleting for good",
    "template": "prompt template",
    "register_model": "registering a model",
    "tune": "tuning",
    "study": "study",
    "experiment": "experiment",
    "experiment_selector": "learning whom demonstrations help",
    "experiment_estimate": "timing an experiment",
    "experiment_pair": "comparing two rows",
}
"""Kind of a job -> what the engine does then."""


def busy_with(message: str) -> str:
    """What a worker says it does, `KIND DETAIL`, in words."""
    kind, _, detail = message.partition(" ")
    return " · ".join(filter(None, (WORK.get(kind, kind), detail)))
