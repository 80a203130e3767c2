"""Amazon reviews of 2023 (arXiv 2403.03952): `user_id`, `parent_asin`, times in milliseconds.

Boundary: key names only; `amazon` does the reading. `title` in a review is the review's own title and is not
used; item titles come from the metadata, by `parent_asin`.
"""

from __future__ import annotations

from functools import partial

from engine.data.importers.amazon import Generation, find

NEW = Generation(
    user="user_id",
    item="parent_asin",
    rating="rating",
    time="timestamp",
    brand="store",
    categories=("categories", "main_category"),
)

FORMATS = {"amazon-2023": partial(find, NEW)}
