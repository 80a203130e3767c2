"""A small shop to look at in tests: 80 items with believable titles, 40 users, one registered model."""

import random

import numpy as np

from db import datasets, models
from db.canonical import digest
from db.datasets import DatasetColumns, DatasetInfo
from db.models import ModelInfo
from db.store import Store

BRANDS = ("Velora", "Nordia", "Tessan", "Kerro", "Orlin")
KINDS = (
    "Rose Perfume",
    "Pure Mascara",
    "Night Balm",
    "Cool Toner",
    "Soft Cleanser",
    "Bright Serum",
    "Wild Hose",
    "Garden Lantern",
)
HOSTILE = (
    '<b>bold</b> <script>alert(1)</script> <img src=x onerror="alert(2)">',
    "**strong** _soft_ `code` # head [link](https://example.com) ~~gone~~",
    "costs $5 and $x^2$ and $$y$$",
    ":smile: :material/home: :red[colour] :blue-badge[badge] :streamlit:",
    "see https://example.com or www.example.com, mail a.b@example.com",
    "a -> b <- c -- d >= e <= f ~= g &amp; &lt;",
    "مجموعة العناية بالبشرة 12 قطعة",
    "1. first\n2. second\t- third",
    "",
    "L" * 400,
)


def columns(
    users: int = 40, *, titles: tuple[str, ...] = (), seed: int = 0, timestamps: bool = True
) -> DatasetColumns:
    """Users with 5 to 16 purchases each; `titles` replace the first items' titles."""
    draw = random.Random(seed)
    names = [f"{brand} {size}{kind}" for size in ("", "Deluxe ") for brand in BRANDS for kind in KINDS]
    names[: len(titles)] = list(titles)
    user, item, when, rating = [], [], [], []
    for number in range(users):
        moment = 1_600_000_000 + draw.randrange(10_000_000)
        bought = draw.sample(range(len(names)), draw.randint(5, 16))
        if titles and number == 0:
            bought = list(range(len(titles)))
        for each in bought:
            moment += draw.randrange(86_400, 30 * 86_400)
            user.append(number)
            item.append(each)
            when.append(moment)
            rating.append(draw.choice((3.0, 4.0, 4.5, 5.0)))
    return DatasetColumns(
        item_ids=[f"i{index}" for index in range(len(names))],
        titles=names,
        categories=[None] * len(names),
        brands=[None] * len(names),
        attributes=None,
        user_ids=[f"shopper {number:04d}" for number in range(users)],
        user=np.array(user, np.int32),
        item=np.array(item, np.int32),
        timestamp=np.array(when, np.int64) if timestamps else None,
        rating=np.array(rating, np.float32) if timestamps else None,
        tie=np.zeros(users, bool),
    )


def stock(store: Store, name: str = "simulated", **options) -> DatasetInfo:
    """Store the shop as a data set and register a model."""
    models.register(
        store,
        ModelInfo(
            name="embedded",
            source="models/embedded",
            revision="r1",
            architecture="LlamaForCausalLM",
            parameters=9_800_000,
            context_length=2048,
        ),
    )
    built = columns(**options)
    return datasets.insert(
        store,
        name,
        built,
        kind="simulated",
        source="simulated",
        fingerprint=digest([name, built.titles]),
        report={"rows_read": len(built.user), "kept": len(built.user)},
        simulated=True,
    )
