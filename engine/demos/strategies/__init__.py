"""How demonstrations are chosen: one file per strategy that is not what a single source offers.

A strategy is a row of `db.choices.STRATEGIES` and a file here, named by the row, that defines

    find(store, dataset, query, size, seed) -> list[Offer]

with at most `size` offers, best first. One with `derived=True` in its row changes what another strategy chose
and defines instead

    derive(store, dataset, query, offers, seed, reader) -> list[Offer]
    measured(of, derived, reader) -> dict of numbers that add up over prompts
    said(measures) -> str

`measured` says how near what was derived is to what was chosen, `said` the same in a sentence.

With `embeds=True` in its row, `find` takes `embed` as well: titles -> vectors (`engine.demos.reader`). It is
a pure function of what was known before the query's target and of `seed`: windows come from a source, or
from `engine.demos.windows.load`, and the target is never read.
"""
