"""One file = one importer, or a family of them; `db.choices.FORMATS` lists them in the order of trying.

Boundary: an importer recognises its files and feeds raw rows to the builder. It never writes to the store.

To add one: a file here that defines `FORMATS`, and a row in `db.choices.FORMATS` whose `about` says which
files are expected. `FORMATS` maps the name of a format to its `engine.data.plan.Find`: a function that gives
the `Plan` for a folder, or raises `Mismatch` with the reason.
"""
