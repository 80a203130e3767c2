"""The story of a comparison: two to four runs, what differs between them, and which difference did it."""

from collections.abc import Sequence

from dashboard.charts.bump import joined
from dashboard.report import facts, pictures, run
from dashboard.report.story import LONGEST_TEXT, Step, Story, Text, framed, said, told
from dashboard.screens.compare import attribution_text, differences, word_diff
from dashboard.screens.compare.differences import NAMES
from dashboard.text import words
from dashboard.text.formats import plural
from dashboard.text.literal import plain
from db import datasets, jobs, texts
from db.comparable import lists_obstacle
from db.errors import NotFound
from db.runs import Run
from db.store import Store

KIND = "attribution"
FEWEST, MOST = 2, len(NAMES)
RANKS = 20


def story(store: Store, chosen: Sequence[Run]) -> Story:
    """What is told of two to four runs; all are held against the first."""
    named = dict(zip(NAMES, chosen, strict=False))
    users = dict.fromkeys(plain(each.request.user, 40) for each in chosen)
    data = [(each.request.dataset, facts.simulated(store, each)) for each in chosen]
    measured = [run.measured(store, each) for each in chosen]
    return Story(
        kind="comparison",
        title=f"{plural(len(chosen), 'run')} compared: user {', '.join(users)}",
        about=" · ".join(f"{name}: {_short(each)}" for name, each in named.items()),
        ids=tuple(each.key for each in chosen),
        steps=tuple(_steps(store, chosen)),
        careful=tuple(_careful(store, chosen)),
        method=(
            "All runs are held against run A. Ranks and metrics compare where user, target and candidate "
            "list are the same; losses, where model and scoring are the same as well.",
        ),
        limits=said(
            facts.SIMULATED if any(simulated for _, simulated in data) else None,
            facts.ONE_USER if len(users) == 1 else None,
            *(note for each in chosen for note in each.result.get("notes") or []),
        ),
        tables=told(
            framed("All inputs", differences.changes(chosen, only_changed=False), index=True),
            framed("Time and tokens", differences.timings_table(chosen), index=True),
        ),
        texts=tuple(_word_diffs(store, chosen)),
        facts={
            f"{name}: {fact}": value
            for name, each in named.items()
            for fact, value in facts.of_run(store, each).items()
            if fact not in facts.written()
        }
        | facts.written(),
        commands=(
            *facts.data_first(data),
            *(facts.rank_again(each) for each in chosen),
            *(
                facts.effects_again(each, found.options)
                for each, found in zip(chosen, measured, strict=True)
                if found is not None
            ),
            facts.report_again([each.key[:12] for each in chosen]),
        ),
    )


def _short(each: Run) -> str:
    demonstrations = plural(len(each.result["demonstrations"]), "demonstration")
    return plain(f"{each.model} on {each.request.dataset}, {demonstrations}", 90)


def _steps(store: Store, chosen: Sequence[Run]) -> list[Step]:
    a = chosen[0]
    sentences = [differences.sentence(a, each, NAMES[at]) for at, each in enumerate(chosen) if at]
    steps = [_lists_step(chosen, sentences), _numbers_step(store, chosen), _inputs_step(chosen)]
    if any(each.result["demonstrations"] for each in chosen):
        steps.append(_demonstrations_step(store, chosen))
    for at, each in enumerate(chosen):
        found = _attribution(store, a, each) if at else None
        if found is not None:
            steps.append(_why_step(found, NAMES[at]))
    return steps


def _lists_step(chosen: Sequence[Run], sentences: Sequence[str]) -> Step:
    named = list(zip(NAMES, chosen, strict=False))
    alike = [(name, each) for name, each in named if lists_obstacle(chosen[0], each) is None]
    about = "Rank of each candidate in every run, from A at the left on. Gold is the target."
    shown, tables = (
        (),
        [
            framed(f"Run {name}", differences.list_table(each, RANKS))
            for name, each in named
            if len(alike) < 2
        ],
    )
    if len(alike) > 1:
        names = [name for name, _ in alike]
        rows = joined(*(each.result["items"] for _, each in alike))
        shown = (pictures.lists(rows, [f"run {name}" for name in names], RANKS),)
        table = differences.ranks_table(rows, names).rename_axis("item")
        tables.append(framed("Ranks", table, index=True))
    else:
        about = "Each run's own list. Ranks in different lists do not compare."
    return Step("The lists", sentences[0], about, shown, tuple(tables), tuple(sentences[1:]))


def _numbers_step(store: Store, chosen: Sequence[Run]) -> Step:
    effects = [found.result if (found := run.measured(store, each)) else None for each in chosen]
    table = differences.numbers_table(chosen, effects)
    values = [
        f"{name} {each.result['metrics']['ndcg10']:.3f}" for name, each in zip(NAMES, chosen, strict=False)
    ]
    return Step(
        "The numbers",
        f"NDCG@10 is {', '.join(values)}.",
        "Differences are from run A; a dash where the two do not compare.",
        tables=(framed("Numbers", table, index=True),),
    )


def _inputs_step(chosen: Sequence[Run]) -> Step:
    changed = differences.changes(chosen)
    if changed.empty:
        return Step("The inputs", "The requests are the same.")
    labels = list(map(str, changed.index))
    return Step(
        "The inputs",
        f"{plural(len(labels), 'input differs', 'inputs differ')}: {', '.join(labels)}.",
        "Everything else about the runs is the same.",
        tables=(framed("Inputs that differ", changed, index=True),),
    )


def _demonstrations_step(store: Store, chosen: Sequence[Run]) -> Step:
    effects = [found.result if (found := run.measured(store, each)) else None for each in chosen]
    ids = [[view["id"] for view in each.result["demonstrations"]] for each in chosen]
    shared = set(ids[0]).intersection(*ids[1:])
    counts = [f"{name} has {len(own)}" for name, own in zip(NAMES, ids, strict=False)]
    table = differences.demonstrations_table(chosen, effects)
    return Step(
        "The demonstrations",
        f"{', '.join(counts)}; {plural(len(shared), 'demonstration is', 'demonstrations are')} in all runs.",
        "Weight in each run, and effect where it was measured. A dash where there is none.",
        tables=(framed("Demonstrations", table),),
        more=said(
            *(
                f"{name}: {words.shares(each.result['demonstrations'], found)}"
                for name, each, found in zip(NAMES, chosen, effects, strict=False)
                if found
            )
        ),
    )


def _attribution(store: Store, a: Run, other: Run) -> dict | None:
    """What was found out about which difference did it, if anybody asked."""
    found = jobs.about(store, KIND, {"a": a.key, "b": other.key}, limit=1)
    return found[0].result if found and found[0].result is not None else None


def _why_step(found: dict, name: str) -> Step:
    return Step(
        f"Which difference between A and {name} did it",
        attribution_text.sentence(found),
        "The inputs in which the two differ were swapped; each is answerable for what that changes.",
        tables=(framed(f"A and {name}", attribution_text.table(found, name), index=True),),
        more=tuple(found.get("notes") or ()),
    )


def _careful(store: Store, chosen: Sequence[Run]) -> list[str]:
    prints = [datasets.fingerprint_of(store, each.dataset_id) for each in chosen]
    two = len(chosen) == FEWEST
    return [
        ("" if two else f"{NAMES[at]} against A. ") + reason
        for at, each in enumerate(chosen)
        if at
        for reason in differences.warnings(chosen[0], each, (prints[0], prints[at]))
    ]


def _word_diffs(store: Store, chosen: Sequence[Run]) -> list[Text]:
    """The prompts of A and each other run as one text."""
    hashes = [each.result.get("prompt", {}).get("hash") for each in chosen]
    found = []
    for at, key in enumerate(hashes[1:], start=1):
        if None in (key, hashes[0]) or key == hashes[0]:
            continue
        try:
            before, after = texts.get(store, hashes[0]), texts.get(store, key)
        except NotFound:
            continue
        name = NAMES[at]
        title = (
            f"The prompts of A and {name}, word by word: struck through only in A, underlined only in {name}"
        )
        if max(len(before), len(after)) > LONGEST_TEXT:
            title += f"; their first {LONGEST_TEXT:,} letters"
        found.append(Text(title, word_diff.html(before[:LONGEST_TEXT], after[:LONGEST_TEXT], title), True))
    return found
