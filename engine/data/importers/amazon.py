"""Amazon reviews of 2014 and 2018 (arXiv 1506.04757, Ni et al. EMNLP 2019), and what 2023 shares with them.

Boundary: reviews as JSON lines; metadata as JSON lines or, in old files, as Python literals, which are read
as literals and never evaluated. Item titles come from the metadata alone. Metadata cover a whole department,
so items that nobody bought stay out.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from db.errors import DataError
from engine.data.columns import ItemTable
from engine.data.files import Broken, Folder, Member
from engine.data.mapping import correct
from engine.data.plan import CorrectedMapping, Mismatch, Plan, read_interactions
from engine.data.tables.json_lines import JsonTable, json_head, json_records, parse_object
from engine.data.text import Tick

ENDINGS = (".json", ".jsonl", ".ndjson", ".txt", ".gz")
LOOK = 5  # lines to find the keys in
SCRIPT_TITLE = (
    "getTime()"  # 2018 titles that are a piece of the page's script (the data set's own notes say so)
)


@dataclass(frozen=True)
class Generation:
    """Key names of one generation of the data."""

    user: str
    item: str
    rating: str
    time: str
    brand: str
    categories: tuple[str, ...]  # keys, best first

    @property
    def mapping(self) -> dict[str, str | None]:
        return {"user": self.user, "item": self.item, "timestamp": self.time, "rating": self.rating}


OLD = Generation(
    user="reviewerID",
    item="asin",
    rating="overall",
    time="unixReviewTime",
    brand="brand",
    categories=("category", "categories", "main_cat"),
)


def find(generation: Generation, folder: Folder, mapping: CorrectedMapping | None) -> Plan:
    """The plan for the reviews of this generation in a folder; raises Mismatch."""
    reviews, metadata, reasons = _members(generation, folder)
    if not reviews:
        raise Mismatch(
            "; ".join(reasons[:2]) or f"no JSON lines with {generation.user} and {generation.item} are there"
        )
    notes: tuple[str, ...] = ()
    if len(reviews) > 1:
        cores = [member for member in reviews if member.stem.endswith("_5")]
        if len(cores) != 1:
            names = ", ".join(member.name for member in reviews)
            raise DataError(f"{folder.name}: holds several review files ({names}). Give one of them.")
        notes = (f"{cores[0].name} (the 5-core) was read, not the other review files beside it.",)
        reviews = cores
    member = reviews[0]
    keys = tuple(dict.fromkeys(key for record in json_head(member, parse_object) for key in record))
    table = JsonTable(member, keys, parse_object)
    chosen = correct(generation.mapping, mapping, keys, member.name)
    meta = _metadata_of(member, metadata)
    if meta is None:
        unread = f" Files that could not be read: {'; '.join(reasons[:3])}." if reasons else ""
        notes += (f"No metadata file lies beside the reviews, so items are shown by their id.{unread}",)
    return Plan(
        interactions=(member,),
        items=meta,
        mapping=chosen,
        columns=keys,
        sample=table.sample,
        reader=lambda builder, tick: read_interactions(table, chosen, builder, tick),
        item_reader=_item_reader(generation, meta) if meta else None,
        whole_catalogue=False,
        notes=notes,
    )


def _members(generation: Generation, folder: Folder) -> tuple[list[Member], list[Member], list[str]]:
    """Review files, metadata files, and why others are neither."""
    reviews: list[Member] = []
    metadata: list[Member] = []
    reasons: list[str] = []
    wanted = {generation.user, generation.item, generation.time}
    named = folder.candidates()
    for member in folder.members:
        if member is not folder.only and not member.base.endswith(ENDINGS):
            continue
        if member not in named and not member.base.startswith("meta"):
            continue  # one file was named: of its neighbours only metadata matter
        try:
            keys = set(json_head(member, parse_object, limit=LOOK)[0])
        except Broken as error:
            reasons.append(f"{member.name}, line 1: {error}")
            continue
        if wanted <= keys:
            if member in named:
                reviews.append(member)
        elif generation.item in keys and generation.user not in keys and "title" in keys:
            metadata.append(member)
        else:
            missing = ", ".join(sorted(wanted - keys))
            reasons.append(f"{member.name}, line 1: the object has no {missing}")
    return reviews, metadata, reasons


def _metadata_of(reviews: Member, metadata: list[Member]) -> Member | None:
    """The metadata of the same department (`meta_Games` for `reviews_Games_5`), else the only one."""
    stem = re.sub(r"(_5|_10)$", "", reviews.stem.removeprefix("reviews_"))
    same = [member for member in metadata if member.stem == f"meta_{stem}"]
    return same[0] if same else metadata[0] if len(metadata) == 1 else None


def _item_reader(
    generation: Generation, member: Member
) -> Callable[[ItemTable, Callable[[str], bool], Tick], None]:
    identity = re.compile(rf"""['"]{generation.item}['"]\s*:\s*['"]([^'"]+)['"]""")

    def read(items: ItemTable, wanted: Callable[[str], bool], tick: Tick) -> None:
        def keep(line: str) -> bool:
            ids = identity.findall(line)
            use = not ids or any(map(wanted, ids))
            items.skipped += not use
            return use

        report = items.report
        for lines, records in json_records(member, report, tick, report.unreadable_item, parse_object, keep):
            for line, record in zip(lines, records, strict=True):
                title = record.get("title")
                if isinstance(title, str) and SCRIPT_TITLE in title:
                    report.repair("title was page script, dropped", member.name, int(line), title[:80])
                    title = ""
                items.add(
                    member.name,
                    int(line),
                    record.get(generation.item),
                    title if isinstance(title, str) else "",
                    _category(generation, record),
                    _brand(record.get(generation.brand)),
                    _price(record.get("price")),
                )

    return read


def _category(generation: Generation, record: dict[str, Any]) -> str | None:
    """`Video Games > PC > Games`: the first category path, four steps at most."""
    for key in generation.categories:
        value = record.get(key)
        while isinstance(value, list) and value and isinstance(value[0], list):
            value = value[0]
        steps = [value] if isinstance(value, str) else value if isinstance(value, list) else []
        steps = [step.strip() for step in steps if isinstance(step, str) and 0 < len(step.strip()) <= 60]
        if steps:
            return " > ".join(dict.fromkeys(steps[:4]))
    return None


def _brand(value: Any) -> str | None:
    return re.sub(r"^\s*by\s+", "", value) if isinstance(value, str) else None


def _price(value: Any) -> dict[str, str] | None:
    text = str(value).strip() if isinstance(value, str | int | float) else ""
    return {"price": text} if len(text) <= 20 and any(c.isdigit() for c in text) else None


FORMATS = {"amazon": partial(find, OLD)}
