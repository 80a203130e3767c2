"""Amazon reviews of 2023 (arXiv 2403.03952): `user_id`, `parent_asin`, times in milliseconds.

Boundary: key names only; `amazon` does the reading. `title` in a review is the review's own title and is not
used; item titles come from the metadata, by `parent_asin`.
"""

from __future__ import annotations

from engine.data.importers.amazon import Generation, find
from engine.data.importers.plan import Format

NEW = Generation(
    name="amazon-2023",
    label="Amazon reviews 2023",
    expects="CATEGORY.jsonl[.gz] with user_id, parent_asin, rating, timestamp, and meta_CATEGORY.jsonl[.gz]",
    user="user_id",
    item="parent_asin",
    rating="rating",
    time="timestamp",
    brand="store",
    categories=("categories", "main_category"),
)

FORMATS = (Format(NEW.name, NEW.label, NEW.expects, lambda folder, mapping: find(NEW, folder, mapping)),)
