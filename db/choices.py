"""Every name a person may choose, in one table per kind: its label, what it does, what it needs, its source.

The command line's help and checks, the dashboard's pickers and the documentation are made from these rows.
The engine finds the code of a choice by its `file` (`engine.registry`). A new one takes a row and a file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar


@dataclass(frozen=True)
class Choice:
    """One row. `about`: one sentence, without a full stop. `needs`: what must be there for it, or "".
    `paper`: the source, or "". `module`: the file that implements it, where its name is another.
    """

    name: str
    label: str
    about: str
    needs: str = ""
    paper: str = ""
    module: str = ""

    @property
    def file(self) -> str:
        """Module name of the implementation, without its package."""
        return self.module or self.name.replace("-", "_")


@dataclass(frozen=True)
class EditChoice(Choice):
    """An edit of the dual model. `amount`: where none is written; `most`: the largest; both None where the
    edit takes no number. `drawn`: made by chance, so a ranking averages several draws and effects spread.
    `disliked`: it takes the titles that the user disliked.
    """

    drawn: bool = False
    disliked: bool = False
    amount: float | None = None
    most: float | None = None


@dataclass(frozen=True)
class StrategyChoice(Choice):
    """A way of choosing demonstrations. `optimized`: it asks the model about past purchases, so it
    takes seconds to minutes; `embeds`: it compares titles by a model's vectors; `control`: others are tested
    against it."""

    optimized: bool = False
    embeds: bool = False
    control: bool = False


@dataclass(frozen=True)
class BaselineChoice(Choice):
    """A conventional recommender. `trained`: by gradient descent over minutes, with a learning curve; others
    count in seconds."""

    trained: bool = False


@dataclass(frozen=True)
class StudyChoice(Choice):
    """A study over many users. `asks`: the fields of a `StudyRequest` it reads beside data set, model, users
    and seed, in the order of its form. `users`: how many by default. `timestamps`: it needs them. `reads`:
    how to read its result, in a sentence or two.
    """

    asks: tuple[str, ...] = ()
    users: int = 300
    timestamps: bool = False
    reads: str = ""


C = TypeVar("C", bound=Choice)
Table = Mapping[str, Choice]


def _table(*rows: C) -> dict[str, C]:
    return {row.name: row for row in rows}


VECTORS = "the model's hidden states, or a sentence encoder (`embedding`)"

STRATEGIES: dict[str, StrategyChoice] = _table(
    StrategyChoice("none", "no demonstrations", "The prompt holds the user's history alone", control=True),
    StrategyChoice(
        "random",
        "random windows",
        "Windows of random other users",
        module="random_users",
        control=True,
    ),
    StrategyChoice("recent", "neighbours' newest windows (recent)", "The newest windows of similar users"),
    StrategyChoice(
        "bm25",
        "BM25",
        "Windows whose titles share the most words with the history",
        paper="Robertson and Zaragoza 2009",
        control=True,
    ),
    StrategyChoice(
        "neighbours",
        "neighbours' windows",
        "What others bought right after the items of the history",
        paper="arXiv 1803.09587, 2405.02778",
    ),
    StrategyChoice(
        "proximal",
        "own earlier windows (proximal)",
        "The user's own earlier windows",
        needs="a history longer than one window",
        paper="arXiv 2405.02778",
    ),
    StrategyChoice(
        "global",
        "clusters' middles (global)",
        "Windows in the middle of clusters of all users' windows, the same for everybody",
        paper="arXiv 2405.02778",
        module="representatives",
    ),
    StrategyChoice(
        "aggregated",
        "several users merged (aggregated)",
        "Windows of several similar users merged in time order",
        paper="arXiv 2403.10135",
    ),
    StrategyChoice(
        "embedding",
        "nearest in meaning (embedding)",
        "Windows nearest to the history by the mean vector of their titles",
        needs=VECTORS,
        paper="arXiv 2101.06804",
        embeds=True,
    ),
    StrategyChoice(
        "mmr",
        "MMR",
        "Near to the history and unlike each other, by maximal marginal relevance",
        needs=VECTORS,
        paper="Carbonell and Goldstein 1998",
        embeds=True,
    ),
    StrategyChoice(
        "dpp",
        "DPP",
        "A varied and relevant set, by a determinantal point process",
        needs=VECTORS,
        paper="arXiv 1709.05135",
        embeds=True,
    ),
    StrategyChoice(
        "votek",
        "Vote-k",
        "Windows that many others resemble, each vote counted once",
        needs=VECTORS,
        paper="arXiv 2209.01975",
        embeds=True,
    ),
    StrategyChoice(
        "greedy",
        "greedy by effect",
        "Chosen one by one for this user by their effect on past purchases",
        needs="past purchases to judge on",
        paper="arXiv 2504.04386 (reconstruction)",
        optimized=True,
    ),
    StrategyChoice(
        "twostage",
        "two-stage optimization",
        "Chosen and weighted for this user on past purchases, applied only where a guard confirms it",
        needs="past purchases to judge on",
        paper="arXiv 2504.04386 (reconstruction)",
        optimized=True,
    ),
)

HAND_WRITTEN = "hand-written"

SOURCES: dict[str, Choice] = _table(
    Choice(
        "neighbours", "neighbour", "Windows of users with overlapping purchases", paper="arXiv 2405.02778"
    ),
    Choice(
        "aggregated",
        "several neighbours",
        "Windows of several similar users merged in time order",
        paper="arXiv 2403.10135",
    ),
    Choice("proximal", "own window", "The user's own earlier windows", paper="arXiv 2405.02778"),
    Choice(
        "global",
        "cluster representative",
        "Windows in the middle of clusters of all users' windows",
        paper="arXiv 2405.02778",
        module="representatives",
    ),
    Choice("random", "random user", "Windows of random other users", module="random_users"),
    Choice(HAND_WRITTEN, "hand-written", "Demonstrations that a person wrote or edited"),
)

CANDIDATE_KINDS: dict[str, Choice] = _table(
    Choice("random", "random", "Negatives drawn evenly from the catalogue"),
    Choice("popular", "popular", "Negatives drawn in proportion to how often they were bought"),
    Choice("hard", "hard", "Negatives with titles similar to the target's"),
)

SCORINGS: dict[str, Choice] = _table(
    Choice("auto", "the model's default", "What the model's recipe names; otherwise calibrated"),
    Choice("sum", "log-likelihood of the title", "Sum of the log-probabilities of the title's tokens"),
    Choice("mean", "mean per token", "Mean log-probability of the title's tokens"),
    Choice(
        "calibrated",
        "log-likelihood minus the title's prior",
        "Sum, minus the log-likelihood of the title after a prompt without history",
        paper="arXiv 2104.08315",
    ),
    Choice(
        "yes_no",
        "Yes or No per item",
        "Log-odds of Yes when asked whether the user would enjoy the item",
        paper="arXiv 2305.00447",
    ),
    Choice(
        "listwise",
        "one label from a list",
        "Log-probability of the item's label, averaged over four rotations of the list",
    ),
)

TARGETS: dict[str, Choice] = _table(
    Choice("test", "last purchase (to report)", "The user's last purchase, held out to report results"),
    Choice(
        "probe", "the one before (to curate)", "The purchase before the last, to choose demonstrations on"
    ),
)

HISTORY_WAYS: dict[str, Choice] = _table(
    Choice("recent", "the newest", "The user's newest purchases"),
    Choice(
        "semantic",
        "most like the candidates",
        "The purchases whose titles are nearest to the candidates",
        needs=VECTORS,
        paper="arXiv 2308.11131",
    ),
    Choice("clusters", "spread over time", "Some purchases from every stretch of time"),
)

TEMPLATES: dict[str, Choice] = _table(
    Choice("plain", "plain", "Purchases in order, then the next one"),
)

BASELINES: dict[str, BaselineChoice] = _table(
    BaselineChoice("popularity", "popularity", "How often an item was bought before"),
    BaselineChoice(
        "itemknn",
        "item-kNN",
        "Items bought by the same users as the history's items",
        paper="Sarwar et al. 2001",
    ),
    BaselineChoice("bm25", "BM25 on titles", "Words that titles share with the history's titles"),
    BaselineChoice(
        "sasrec",
        "SASRec",
        "A self-attentive sequential recommender, trained with full cross-entropy",
        needs="training (`tune`, or `baseline`)",
        paper="arXiv 1808.09781, 2408.14238",
        trained=True,
    ),
    BaselineChoice(
        "sasrec-scaled",
        "SASRec, scaled loss",
        "SASRec trained with sampled cross-entropy, scaled",
        needs="training (`tune`, or `baseline`)",
        paper="arXiv 1808.09781, 2408.14238",
        trained=True,
        module="sasrec",
    ),
)

ESTIMATORS: dict[str, Choice] = _table(
    Choice("auto", "automatic", "Exact up to 6 demonstrations, strata above"),
    Choice(
        "exact", "exact", "Shapley values from all 2^k weightings", needs="at most 8", paper="Shapley 1953"
    ),
    Choice(
        "strata",
        "strata",
        "Shapley values from the smallest and largest coalitions",
        paper="arXiv 1306.4265",
        module="shapley",
    ),
    Choice("path", "path", "An integral over the chance of being in the prompt", paper="Owen 1972"),
    Choice(
        "aumann", "Aumann-Shapley", "An integral over the weights, with gradients", paper="arXiv 1703.01365"
    ),
)

EFFECT_MODES: dict[str, Choice] = _table(
    Choice(
        "direct",
        "masked for the query",
        "Query and answer do not see the demonstration, as with the desk's weights",
    ),
    Choice(
        "total",
        "masked for everything after",
        "Later demonstrations do not see it either; every token keeps its place",
    ),
    Choice(
        "reprompt",
        "removed from the prompt",
        "The prompt is written without it, so positions shift; the slowest",
    ),
)

EDITS: dict[str, EditChoice] = _table(
    EditChoice(
        "weights",
        "Weight noise",
        "every sample weight times a lognormal of mean 1; the amount is its log-spread",
        drawn=True,
        amount=0.5,
        most=2.0,
    ),
    EditChoice(
        "dropout",
        "Dropout",
        "each demonstration left out with this probability",
        drawn=True,
        amount=0.25,
        most=0.9,
    ),
    EditChoice(
        "values",
        "Value noise",
        "noise on the values of the demonstrations' tokens; the amount is its size in root mean squares",
        drawn=True,
        amount=0.1,
        most=2.0,
    ),
    EditChoice(
        "typos",
        "Typos",
        "this share of the words of demonstrated titles misspelt",
        drawn=True,
        amount=0.1,
        most=1.0,
    ),
    EditChoice(
        "truncation",
        "Truncated titles",
        "up to this share of each demonstrated title's words cut off",
        drawn=True,
        amount=0.3,
        most=0.9,
    ),
    EditChoice(
        "ridge", "Ridge", "the step shortened: every weight times 1 less the amount", amount=0.2, most=1.0
    ),
    EditChoice(
        "negatives",
        "Negatives",
        "this much of the mean value of what the user disliked taken off the demonstrations' values",
        needs="ratings, and something rated below 3 stars",
        disliked=True,
        amount=0.5,
        most=4.0,
    ),
    EditChoice("order", "Order", "the demonstrations in another order", drawn=True),
)

STUDIES: dict[str, StudyChoice] = _table(
    StudyChoice(
        "recicl",
        "RecICL: does tuning keep it learning?",
        "One model before tuning, tuned on single questions and tuned with demonstrations; each without, "
        "with stale and with fresh demonstrations",
        paper="arXiv 2410.23136",
        asks=(
            "single",
            "recicl",
            "tune",
            "minutes",
            "demos",
            "periods",
            "cut",
            "candidates",
            "candidate_kind",
            "scoring",
            "history",
        ),
        reads="Mean over users, with its 95 % interval; the best of the table is bold. Stale: known when the "
        "model was tuned. Fresh: known when the purchase is predicted.",
    ),
    StudyChoice(
        "drift",
        "Drift: what does freezing cost?",
        "A frozen model with fresh, stale and no demonstrations over the periods after it was tuned, beside "
        "SASRec and item-kNN, frozen and retrained each period",
        needs="timestamps",
        asks=("demos", "periods", "cut", "minutes", "candidates", "candidate_kind", "scoring", "history"),
        users=100,
        timestamps=True,
        reads="Mean of the users asked in each period since the freeze; the band is the 95 % interval of "
        "fresh demonstrations. All rank the same candidates.",
    ),
    StudyChoice(
        "strategies",
        "Strategies: which way of choosing works?",
        "Every way of choosing demonstrations, at the same number, for the same users and candidates, tested "
        "in pairs against none, random and BM25",
        asks=("k", "only", "candidates", "candidate_kind", "scoring", "history"),
        reads="Mean over users with its 95 % interval, best on top; the line is no demonstrations. Blue: "
        "surely better than none; orange: surely worse.",
    ),
    StudyChoice(
        "faithfulness",
        "Faithfulness: can effects be trusted?",
        "How far effects agree with taking demonstrations out exactly, beside rival scores: attention, one "
        "gradient, similarity, recency",
        paper="arXiv 2504.04386 (reconstruction)",
        asks=("demos", "candidates", "candidate_kind", "scoring", "history"),
        users=200,
        reads="Mean over users with its 95 % interval, best on top; 1 is full agreement. Blue: the effects "
        "shown on Recommend; grey: rival scores.",
    ),
)

TUNE_KINDS: dict[str, Choice] = _table(
    Choice("llm", "language model", "Tunes a language model on the data set's purchases"),
    *(BASELINES[name] for name in ("sasrec", "sasrec-scaled", "itemknn", "popularity")),
)

TUNE_SOURCES: dict[str, Choice] = {name: SOURCES[name] for name in ("proximal", "neighbours")}

LAYOUTS: dict[str, Choice] = _table(
    Choice(
        "recicl",
        "with demonstrations (RecICL)",
        "Samples look like the prompt: demonstrations, then the query",
        paper="arXiv 2410.23136",
    ),
    Choice(
        "single",
        "without demonstrations",
        "Samples hold one query and no demonstrations",
        paper="arXiv 2305.00447",
    ),
)

ANSWERS: dict[str, Choice] = _table(
    Choice("title", "the next title", "The likelihood of the next title"),
    Choice(
        "yes_no", "Yes or No to one item", "Whether the user would enjoy an item", paper="arXiv 2305.00447"
    ),
)

LOSSES: dict[str, Choice] = _table(
    Choice("all", "all answers", "The loss counts the answers of the demonstrations too"),
    Choice("last", "the last answer", "The loss counts the query's answer only"),
)

METHODS: dict[str, Choice] = _table(
    Choice("auto", "by size", "Small models are tuned whole, larger ones with LoRA"),
    Choice("full", "all weights", "Every weight is tuned"),
    Choice(
        "lora",
        "LoRA adapters",
        "Low-rank adapters beside frozen weights",
        needs="the extra `peft`",
        paper="arXiv 2106.09685",
    ),
)

STAGES: dict[int, Choice] = {
    2: Choice("2", "choose, then weigh", "Chooses demonstrations, then learns their weights"),
    1: Choice("1", "choose only", "Chooses demonstrations"),
}

FORMATS: dict[str, Choice] = _table(
    Choice(
        "amazon",
        "Amazon reviews 2014/2018",
        "CATEGORY_5.json.gz with reviewerID, asin, overall, unixReviewTime, and meta_CATEGORY.json.gz",
    ),
    Choice(
        "amazon-2023",
        "Amazon reviews 2023",
        "CATEGORY.jsonl[.gz] with user_id, parent_asin, rating, timestamp, and meta_CATEGORY.jsonl[.gz]",
    ),
    Choice("movielens-100k", "MovieLens 100K", "u.data and u.item", module="movielens"),
    Choice("movielens-1m", "MovieLens 1M", "ratings.dat and movies.dat", module="movielens"),
    Choice("movielens-latest", "MovieLens latest", "ratings.csv and movies.csv", module="movielens"),
    Choice(
        "recbole-sequential",
        "RecBole sequential file",
        "NAME[.train|.valid|.test].inter with an item list per row, and NAME.item",
        module="recbole",
    ),
    Choice("recbole", "RecBole atomic files", "NAME.inter with a typed header, and NAME.item"),
    Choice(
        "generic",
        "table of interactions",
        "a CSV, TSV, Parquet or JSON-lines file with a user and an item column",
    ),
)
"""In the order in which they are tried; `about` says which files are expected."""

TABLES: dict[str, Table] = {
    "Strategies": STRATEGIES,
    "Pool sources": SOURCES,
    "Candidate lists": CANDIDATE_KINDS,
    "Scoring": SCORINGS,
    "Targets": TARGETS,
    "History selection": HISTORY_WAYS,
    "Prompt templates": TEMPLATES,
    "Baselines": BASELINES,
    "Estimators of effects": ESTIMATORS,
    "What leaving out means": EFFECT_MODES,
    "Edits of the dual model": EDITS,
    "Studies": STUDIES,
    "What can be tuned": TUNE_KINDS,
    "Tuning layouts": LAYOUTS,
    "Tuning answers": ANSWERS,
    "Tuning losses": LOSSES,
    "Tuning methods": METHODS,
    "Import formats": FORMATS,
}
"""Title of its table in the documentation -> the choices."""
