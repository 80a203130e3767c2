"""Where demonstrations come from: one file per source of history windows.

A source is a row of `db.choices.SOURCES` and a file here, named by the row, that defines

    find(store, dataset, query, size, seed) -> list[Offer]
    similarities(store, dataset, query, windows) -> list[float]

`find` gives at most `size` offers, best first; `similarities` rates windows that were found before, 0 to 1.
Both are pure functions of what was known before the query's target and of `seed`: windows come from
`engine.demos.windows.load`, and the target is never read. With a row of the same name in
`db.choices.STRATEGIES` the source is a strategy too.
"""
