"""One importer per family of files; `FORMATS` lists them in the order in which they are tried.

Boundary: an importer recognises its files and feeds raw rows to the builder. It never writes to the store.
"""

from engine.data.importers import amazon, amazon_2023, generic, movielens, recbole
from engine.data.importers.plan import Format

FORMATS: dict[str, Format] = {
    entry.name: entry
    for module in (amazon, amazon_2023, movielens, recbole, generic)
    for entry in module.FORMATS
}
