"""How demonstrations are chosen: one file per strategy that is not what a single source offers.

A strategy is a row of `db.choices.STRATEGIES` and a file here, named by the row, that defines

    find(store, dataset, query, size, seed) -> list[Offer]

with at most `size` offers, best first. With `embeds=True` in its row, `find` takes `embed` as well: titles ->
vectors (`engine.demos.reader`). It is a pure function of what was known before the query's target and of
`seed`: windows come from a source, or from `engine.demos.windows.load`, and the target is never read.
"""
