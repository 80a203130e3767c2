"""Studies over many users: a table or a chart that says whether something holds on a data set.

A study is a row of `db.choices.STUDIES`, which also says which options and form fields it has, and a file
here, named by the row, that defines

    run(engine, request, report, before) -> dict
    tables(result) -> list of (columns, rows)

`run` takes a `db.requests.StudyRequest` and returns JSON with at least `users`, `notes` and `seconds`, and
with `claim` where a sentence sums it up. `report(progress, message, partial)` says what was measured so far,
and `before` is the last such `partial` of an attempt that was cut off, or None (`engine.studies.checkpoint`).
`tables` gives what the command line prints of a result. The other files are what studies share.
"""
