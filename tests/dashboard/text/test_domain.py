"""Words for what users do follow the kind of data set."""

import pytest

from dashboard.text import domain
from db import jobs
from db.choices import FORMATS


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("simulated", "bought"),
        ("amazon-2023", "bought"),
        ("movielens-latest", "rated"),
        ("generic", "chose"),
        ("recbole", "chose"),
        ("", "chose"),
    ],
)
def test_the_words_follow_the_kind(kind: str, said: str) -> None:
    assert domain.of(kind).past == said


def test_every_kind_of_the_table_is_one_that_imports_store() -> None:
    kinds = [*FORMATS, "simulated"]
    assert all(any(kind.startswith(start) for kind in kinds) for start in domain.KINDS)


def test_one_and_many() -> None:
    assert domain.SHOP.events(1) == "1 purchase"
    assert domain.RATINGS.events(1200) == "1,200 ratings"


def test_every_kind_of_job_has_words() -> None:
    assert domain.WORK.keys() == jobs.PRIORITY.keys()
