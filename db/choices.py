"""Every name a user can choose, in one table per kind: its label, what it does, what it needs, its source.

The command line's help and checks, the dashboard's pickers and the documentation are made from these rows.
The engine finds the code of a choice by its `file` (`engine.registry`). A new choice is a row and a file.
"""

from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar


@dataclass(frozen=True)
class Choice:
    """One row. `about`: one sentence, without a full stop. `needs`: what it requires, or "".
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
    """An edit of the dual model. `amount`: the default; `most`: the maximum; both None where the edit takes
    no number. `drawn`: random, so a ranking averages several draws and effects have a spread. `disliked`: it
    needs the titles that the user disliked.
    """

    drawn: bool = False
    disliked: bool = False
    amount: float | None = None
    most: float | None = None


@dataclass(frozen=True)
class StrategyChoice(Choice):
    """A way of choosing demonstrations. `optimized`: it runs the model on past purchases, which takes seconds
    to minutes; `embeds`: it compares titles by a model's vectors; `control`: the page adds it to every study
    of strategies; `derived`: it changes what another strategy chose."""

    optimized: bool = False
    embeds: bool = False
    control: bool = False
    derived: bool = False


@dataclass(frozen=True)
class BaselineChoice(Choice):
    """A conventional recommender. `trained`: by gradient descent, in minutes, with a learning curve; the
    others are fitted by counting, in seconds."""

    trained: bool = False


@dataclass(frozen=True)
class TemplateChoice(Choice):
    """A prompt template that comes with the program. `scorings`: those it can write prompts for; each is a
    file of `engine/prompts/templates`."""

    scorings: tuple[str, ...] = ()


@dataclass(frozen=True)
class StudyChoice(Choice):
    """A study over many users. `asks`: the fields of a `StudyRequest` it uses beside data set, model, users
    and seed, in the order of its form. `users`: the default number. `timestamps`: it requires them. `reads`:
    how to read its result, in a sentence or two.
    """

    asks: tuple[str, ...] = ()
    users: int = 300
    timestamps: bool = False
    reads: str = ""


@dataclass(frozen=True)
class OrderChoice(Choice):
    """What runs can be sorted by. `column`: of the store's index of runs. `largest_first`: the way that is
    usually wanted."""

    column: str = ""
    largest_first: bool = False


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
        "cluster representatives (global)",
        "Windows at the centres of clusters of all users' windows, the same for every user at one moment",
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
        "nearest by embedding",
        "Windows nearest to the history by the mean vector of their titles",
        needs=VECTORS,
        paper="arXiv 2101.06804",
        embeds=True,
    ),
    StrategyChoice(
        "mmr",
        "MMR",
        "Similar to the history and different from each other, by maximal marginal relevance",
        needs=VECTORS,
        paper="Carbonell and Goldstein 1998",
        embeds=True,
    ),
    StrategyChoice(
        "dpp",
        "DPP",
        "A diverse and relevant set, by a determinantal point process",
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
        needs="past purchases for validation",
        paper="arXiv 2504.04386 (reconstruction)",
        optimized=True,
    ),
    StrategyChoice(
        "twostage",
        "two-stage optimization",
        "Chosen and weighted for this user on past purchases, applied only where a guard confirms it",
        needs="past purchases for validation",
        paper="arXiv 2504.04386 (reconstruction)",
        optimized=True,
    ),
    StrategyChoice(
        "placebo",
        "placebo: answers permuted",
        "The windows of another strategy, each with the answer of another one of them: what is left are the "
        "format and the items, not what followed what",
        paper="arXiv 2202.12837",
        control=True,
        derived=True,
    ),
    StrategyChoice(
        "placebo-users",
        "placebo: random users' windows",
        "For each window of another strategy, one of a random other user that is nearest to it in tokens",
        control=True,
        derived=True,
    ),
)

SET = StrategyChoice(
    "set", "named set", "The demonstrations of a stored set, in its order and with its weights"
)
"""Written `set:NAME` where a strategy is; it chooses nothing and takes no number."""

FILLED_BY: Mapping[str, StrategyChoice] = ChainMap(STRATEGIES, {SET.name: SET})
"""Whatever a request's demonstrations can come from."""

COPIES: dict[str, Choice] = _table(
    Choice(
        "copy",
        "copy the answers (no model)",
        "How often a candidate is the answer of a demonstration in the prompt, each counting its weight",
    ),
    Choice(
        "copy-histories",
        "copy answers and histories (no model)",
        "How often a candidate stands in the prompt's demonstrations, as an answer or in a history; each "
        "counts its weight",
    ),
)
"""Controls without a model: they score candidates by the demonstrations that a model is shown."""

COMPARED: dict[str, Choice] = {**STRATEGIES, **COPIES}
"""What a study of strategies puts side by side."""

CONTROLLED: dict[str, Choice] = {
    name: row for name, row in STRATEGIES.items() if name != "none" and not (row.derived or row.optimized)
}
"""The strategies whose demonstrations the controls can take."""

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
        "Windows at the centres of clusters of all users' windows",
        paper="arXiv 2405.02778",
        module="representatives",
    ),
    Choice("random", "random user", "Windows of random other users", module="random_users"),
    Choice(HAND_WRITTEN, "hand-written", "Demonstrations written or edited by hand"),
)

CANDIDATE_KINDS: dict[str, Choice] = _table(
    Choice("random", "random", "Negatives drawn evenly from the catalogue"),
    Choice("popular", "popular", "Negatives drawn in proportion to how often they were bought"),
    Choice("hard", "hard", "Negatives with titles similar to the target's"),
)

SCORINGS: dict[str, Choice] = _table(
    Choice("auto", "the model's default", "The scoring of the model's recipe; otherwise calibrated"),
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
    Choice(
        "free",
        "titles written freely",
        "Place among the titles that the model writes; for endpoints that give no likelihoods",
        needs="a model behind an endpoint",
    ),
)

TARGETS: dict[str, Choice] = _table(
    Choice("test", "last purchase (to report)", "The user's last purchase, held out to report results"),
    Choice(
        "probe", "the one before (to curate)", "The purchase before the last, used to choose demonstrations"
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
    Choice("clusters", "spread over time", "Purchases spread over the whole history"),
)

_TITLES = ("sum", "mean", "calibrated")

TEMPLATES: dict[str, TemplateChoice] = _table(
    TemplateChoice(
        "plain",
        "plain",
        "Purchases in order, then the next one",
        scorings=(*_TITLES, "yes_no", "listwise", "free"),
    ),
    TemplateChoice(
        "films",
        "films",
        "Films watched in order, with their ratings, then the next one",
        scorings=(*_TITLES, "yes_no", "listwise", "free"),
    ),
    TemplateChoice(
        "tallrec",
        "TALLRec",
        "What the user liked and disliked, then Yes. or No. about one item",
        paper="arXiv 2305.00447",
        scorings=("yes_no",),
    ),
    TemplateChoice(
        "recicl",
        "RecICL",
        "What the user liked, then Yes or No about one item",
        paper="arXiv 2410.23136",
        scorings=("yes_no",),
    ),
    TemplateChoice(
        "llmrank-sequential",
        "LLMRank, sequential",
        "The user's items in order, numbered, then the candidates to rank",
        paper="arXiv 2305.08845",
        scorings=(*_TITLES, "listwise", "free"),
    ),
    TemplateChoice(
        "llmrank-recency",
        "LLMRank, recency-focused",
        "The same, and the newest item named once more",
        paper="arXiv 2305.08845",
        scorings=(*_TITLES, "listwise", "free"),
    ),
    TemplateChoice(
        "llmrank-icl",
        "LLMRank, in-context learning",
        "The newest item as what was right to recommend after the earlier ones",
        paper="arXiv 2305.08845",
        scorings=(*_TITLES, "listwise", "free"),
    ),
    TemplateChoice(
        "instructrec-preference",
        "InstructRec, preference",
        "The history as the user's preference, then an item to recommend",
        paper="arXiv 2305.07001",
        scorings=(*_TITLES, "yes_no"),
    ),
    TemplateChoice(
        "instructrec-intention",
        "InstructRec, intention",
        "The newest item as what the user looks for, then an item that goes with it",
        paper="arXiv 2305.07001",
        scorings=(*_TITLES, "listwise"),
    ),
    TemplateChoice(
        "instructrec-task",
        "InstructRec, task form",
        "The interactions, then the task: predict, tell or select",
        paper="arXiv 2305.07001",
        scorings=(*_TITLES, "yes_no", "listwise", "free"),
    ),
    TemplateChoice(
        "proximal",
        "proximal periods",
        "The user's own earlier windows as periods before the newest one, with dates",
        paper="arXiv 2405.02778",
        scorings=(*_TITLES, "listwise"),
    ),
)

TURNS: dict[str, Choice] = _table(
    Choice(
        "auto",
        "the model's default",
        "Turns of a conversation where the model's chat template writes them, one turn otherwise",
    ),
    Choice("one", "one turn", "Demonstrations and question in one message to the model"),
    Choice(
        "chat",
        "turns of a conversation",
        "Each demonstration's question as the user's turn and its answer as the model's",
        needs="a model with a chat template",
    ),
)

BASELINES: dict[str, BaselineChoice] = _table(
    BaselineChoice("popularity", "popularity", "How often an item was bought before"),
    BaselineChoice(
        "itemknn",
        "item-kNN",
        "Items bought by the users who bought the history's items",
        paper="Sarwar et al. 2001",
    ),
    BaselineChoice(
        "itemknn-popularity",
        "item-kNN, ties by popularity",
        "Item-kNN; of items it scores alike, the one bought more often comes first",
        paper="Sarwar et al. 2001",
        module="popularity_ties",
    ),
    BaselineChoice("bm25", "BM25 on titles", "Words that titles share with the history's titles"),
    BaselineChoice(
        "bm25-popularity",
        "BM25 on titles, ties by popularity",
        "BM25 on titles; of items it scores alike, the one bought more often comes first",
        module="popularity_ties",
    ),
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
        "SASRec trained with scaled, sampled cross-entropy",
        needs="training (`tune`, or `baseline`)",
        paper="arXiv 1808.09781, 2408.14238",
        trained=True,
        module="sasrec",
    ),
)

OTHER_LISTS: dict[str, Choice] = {**COPIES, **BASELINES}
"""What ranks a run's candidates beside its model."""

MEASURES: dict[str, Choice] = _table(
    Choice(
        "margin",
        "share among the candidates",
        "The log of the target's share among the candidates (margin): whether the recommendation got better",
    ),
    Choice(
        "loss",
        "loss of the target",
        "The negative log-likelihood of the target's answer, in nats: how well the model writes it",
    ),
)

ESTIMATORS: dict[str, Choice] = _table(
    Choice(
        "auto",
        "automatic",
        "Exact up to 6 demonstrations, kriging above; of dropping, difference where exact takes seconds and "
        "turning down was measured",
    ),
    Choice(
        "exact", "exact", "Shapley values from all 2^k weightings", needs="at most 8", paper="Shapley 1953"
    ),
    Choice(
        "kriging",
        "kriging",
        "Shapley values from the smallest, the largest and some random coalitions, continued to all others; "
        "each with a 95 % interval",
        paper="Matheron 1969",
    ),
    Choice(
        "difference",
        "difference",
        "What dropping does, from what turning down does and kriging of how the two differ, until every "
        "effect is known to within a tenth of the largest, with 95 % intervals",
        needs="mode auto",
        paper="Lavenberg and Welch 1981",
    ),
    Choice(
        "aumann",
        "Aumann-Shapley",
        "An integral over the weights, with gradients; it has no interval",
        paper="arXiv 1703.01365",
    ),
)

EFFECT_MODES: dict[str, Choice] = _table(
    Choice(
        "auto",
        "both",
        "First what turning each demonstration down does, then what dropping it does, which is the answer",
    ),
    Choice(
        "direct",
        "if you turn it down",
        "The query and the answer do not attend to the demonstration, as with the desk's weights",
    ),
    Choice(
        "total",
        "if everything after ignores it",
        "Later demonstrations do not attend to it either; every token keeps its position",
    ),
    Choice(
        "reprompt",
        "if you drop it",
        "The prompt is written without it, so positions shift; the slowest",
    ),
)

EXPLANATIONS: dict[str, Choice] = _table(
    Choice(
        "tokens",
        "tokens and heads",
        "What each token of each demonstration contributes, in each layer and head",
        paper="arXiv 1703.01365",
    ),
    Choice(
        "orders",
        "order map",
        "The same demonstrations in other orders, and the target at every place of a listwise prompt",
        paper="arXiv 2405.02778",
    ),
    Choice(
        "pairs",
        "pairs",
        "The interaction of every two demonstrations: which teach the same, which need each other",
        paper="Grabisch and Roubens 1999",
    ),
    Choice(
        "step",
        "the dual model's step",
        "How far the dual model's own loss falls through each demonstration's part of its step",
        paper="arXiv 2504.04386, reconstructed",
    ),
    Choice(
        "build",
        "build-up",
        "The margin as demonstrations are added one by one, and as all their weights grow from 0 to 2",
    ),
    Choice(
        "controls",
        "controls",
        "What remains with permuted answers, with shuffled titles and in a model with random weights",
    ),
    Choice(
        "identity",
        "equivalence meter",
        "How exactly attention equals the dual model in each layer of this prompt",
        paper="arXiv 2504.04386",
    ),
    Choice(
        "evidence",
        "shared items",
        "Which items of the user's history each demonstration shows, in words; takes no model",
    ),
)
"""What can be measured about one run's demonstrations, besides their effects."""

EDITS: dict[str, EditChoice] = _table(
    EditChoice(
        "weights",
        "Weight noise",
        "every sample weight multiplied by lognormal noise of mean 1; the amount is its log-scale",
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
        "noise on the values of the demonstrations' tokens; the amount is relative to their root mean square",
        drawn=True,
        amount=0.1,
        most=2.0,
    ),
    EditChoice(
        "typos",
        "Typos",
        "this share of the words in the demonstrations' titles misspelt",
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
        "ridge",
        "Ridge",
        "a shorter step: every weight is multiplied by 1 minus the amount",
        amount=0.2,
        most=1.0,
    ),
    EditChoice(
        "negatives",
        "Negatives",
        "this multiple of the mean value of disliked items subtracted from the demonstrations' values",
        needs="ratings, and something rated as disliked",
        disliked=True,
        amount=0.5,
        most=4.0,
    ),
    EditChoice("order", "Order", "the demonstrations in another order", drawn=True),
)

STUDIES: dict[str, StudyChoice] = _table(
    StudyChoice(
        "strategies",
        "Strategies: which one works best?",
        "All strategies with the same number of demonstrations, users and candidates, in paired tests "
        "against none, random and BM25, beside copies without a model and placebos",
        asks=(
            "k",
            "only",
            "control_of",
            "candidates",
            "candidate_kind",
            "scoring",
            "turns",
            "template",
            "history",
            "exclude_target_item",
        ),
        reads="Mean over users with its 95 % interval, highest on top; the line is no demonstrations. Blue: "
        "significantly better than none after Holm's correction; orange: significantly worse.",
    ),
    StudyChoice(
        "faithfulness",
        "Faithfulness: can effects be trusted?",
        "How far effects agree with the exact removal of demonstrations, beside other scores: attention, "
        "one gradient, similarity, recency",
        paper="arXiv 2504.04386 (reconstruction)",
        asks=("demos", "candidates", "candidate_kind", "scoring", "turns", "template", "history"),
        users=200,
        reads="Mean over users with its 95 % interval, best on top; 1 is full agreement. Blue: effects of "
        "turning a demonstration down; grey: other scores.",
    ),
    StudyChoice(
        "contamination",
        "Contamination: does the model know this catalogue?",
        "How far a model knows titles and histories before it is asked: titles completed from their first "
        "half, histories against shuffled ones, rankings with made-up titles",
        paper="arXiv 2402.15938, 2505.10212",
        asks=("demos", "candidates", "candidate_kind", "scoring", "turns", "history"),
        users=200,
        reads="Each line compares what is real with a control. A sign: the difference is above zero after "
        "Holm's correction; no sign: its 95 % interval ends below what would matter.",
    ),
    StudyChoice(
        "drift",
        "Drift: what does a frozen model lose?",
        "A frozen model with fresh, renewed, stale and no demonstrations over the periods after it was "
        "tuned, beside SASRec and item-kNN, frozen, retrained each period and in real time",
        needs="timestamps",
        asks=(
            "demos",
            "periods",
            "cut",
            "minutes",
            "candidates",
            "candidate_kind",
            "scoring",
            "turns",
            "template",
            "history",
            "exclude_target_item",
        ),
        users=100,
        timestamps=True,
        reads="Mean over the users of each period since the cut; the band is the 95 % interval of fresh "
        "demonstrations. All rank the same candidates; the notes say what each knows.",
    ),
    StudyChoice(
        "recicl",
        "RecICL: does in-context tuning help?",
        "One model before tuning, tuned on single queries and tuned with demonstrations; each ranks without, "
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
            "turns",
            "template",
            "history",
            "exclude_target_item",
        ),
        reads="Mean over users, with its 95 % interval; the highest is bold. Stale: known when the model "
        "was tuned. Fresh: known when the purchase is predicted.",
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
        "Samples have the form of the prompt: demonstrations, then the query",
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
        "yes_no",
        "Yes or No to one item",
        "Whether the user would enjoy an item; every other one is drawn from those the user never had",
        paper="arXiv 2305.00447",
    ),
    Choice(
        "rated",
        "Yes or No by rating",
        "Whether the user would enjoy an item; all are the user's own, and the rating is the answer",
        needs="ratings of both kinds",
        paper="arXiv 2410.23136",
    ),
)

LOSSES: dict[str, Choice] = _table(
    Choice("all", "all answers", "The loss counts the answers of the demonstrations too"),
    Choice("last", "the last answer", "The loss counts the query's answer only"),
)

METHODS: dict[str, Choice] = _table(
    Choice("auto", "by size", "Small models are tuned fully, larger ones with LoRA"),
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
    2: Choice("2", "choose, then weight", "Chooses demonstrations, then learns their weights"),
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
"""In the order in which they are tried; `about` names the expected files."""

ORDERS: dict[str, OrderChoice] = _table(
    OrderChoice("when", "time", "When the run was stored", column="created_at", largest_first=True),
    OrderChoice("dataset", "data set", "The name of the data set", column="dataset"),
    OrderChoice("user", "user", "The id of the user", column="user_id"),
    OrderChoice("model", "model", "The name of the model", column="model"),
    OrderChoice("strategy", "strategy", "The strategy of the demonstrations", column="strategy"),
    OrderChoice("k", "k", "The number of demonstrations", column="demonstrations", largest_first=True),
    OrderChoice("scoring", "scoring", "How candidates were scored", column="scoring"),
    OrderChoice("template", "prompt template", "The name of the prompt template", column="template"),
    OrderChoice("rank", "target's rank", "The rank of the target, the best first", column="rank"),
    OrderChoice("margin", "margin", "The target's log-share", column="margin", largest_first=True),
    OrderChoice("ndcg10", "NDCG@10", "NDCG at 10", column="ndcg10", largest_first=True),
    OrderChoice("seconds", "seconds", "How long the run took", column="seconds", largest_first=True),
    OrderChoice("starred", "star", "Runs with a star first", column="starred", largest_first=True),
)
"""Runs without the value come last, equal ones newest first."""

TABLES: dict[str, Table] = {
    "Strategies": STRATEGIES,
    "Controls without a model": COPIES,
    "Pool sources": SOURCES,
    "Candidate lists": CANDIDATE_KINDS,
    "Scoring": SCORINGS,
    "Targets": TARGETS,
    "History selection": HISTORY_WAYS,
    "Prompt templates": TEMPLATES,
    "Turns": TURNS,
    "Baselines": BASELINES,
    "Measures of effects": MEASURES,
    "Estimators of effects": ESTIMATORS,
    "What removal means": EFFECT_MODES,
    "Looking inside a run": EXPLANATIONS,
    "Edits of the dual model": EDITS,
    "Studies": STUDIES,
    "What can be tuned": TUNE_KINDS,
    "Tuning layouts": LAYOUTS,
    "Tuning answers": ANSWERS,
    "Tuning losses": LOSSES,
    "Tuning methods": METHODS,
    "Import formats": FORMATS,
    "Orders of runs": ORDERS,
}
"""Title of its table in the documentation -> the choices."""
