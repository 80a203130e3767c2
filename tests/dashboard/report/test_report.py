"""Reports: of each kind, with whatever a store may hold; nothing in them runs, fetches or leads away."""

import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from dashboard.report import command, kinds
from dashboard.report.document import MOST_BYTES, POLICY, document
from dashboard.report.kinds import KINDS, story
from dashboard.report.story import Story
from dashboard.text.literal import plain
from db import datasets, jobs, runs
from db.errors import BadInput, DualensError, NotFound
from db.requests import Chosen, RunRequest
from db.runs import Run
from db.store import Store
from tests.support import fake_study, shop
from tests.support.fake_engine import effects, pool, rank
from tests.toys import toy_columns

BASE = RunRequest("simulated", "shopper 0012")
HOSTILE = (
    *shop.HOSTILE,
    "</style></title></svg><script>alert(1)</script>",
    '" onmouseover="alert(1)" x="',
    "javascript:alert(1)",
    "[link](javascript:alert(1)) <a href='javascript:alert(1)'>x</a>",
    "\u202eright to left\u202c \u2066isolated\u2069",
    "nul \x00 bell \x07 escape \x1b[31m",
    "<!-- comment --> <![CDATA[ x ]]> ]]>",
    "&lt;script&gt; &#x3c;script&#x3e;",
)
STUDIES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "recicl": fake_study.recicl,
    "drift": fake_study.drift,
    "strategies": fake_study.strategies,
    "faithfulness": fake_study.faithfulness,
    "contamination": fake_study.contamination,
}


class Reader(HTMLParser):
    """A document as a browser takes it: its elements with their attributes, and its words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.parts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.parts.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.parts).split())


def written(found: Story) -> str:
    """The report; fails where it holds what can run, fetch or lead away."""
    text = document(found, 1_700_000_000.0)
    assert len(text.encode()) < MOST_BYTES
    assert f'content="{POLICY}"' in text
    for tag, attributes in Reader(text).elements:
        assert tag not in ("script", "iframe", "object", "embed", "link", "img", "form", "base", "audio")
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "srcset")]
        assert (attributes.get("href") or "#").startswith("#"), attributes
    assert not re.search(r"url\(|@import|@font-face", text.partition("</style>")[0])
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069]", text)
    return text


@pytest.fixture
def two(store: Store) -> tuple[Run, Run]:
    """Two runs of one user with effects, one weight changed and one demonstration dropped."""
    shop.stock(store)
    names = [view["id"] for view in pool(store, BASE)[:3]]
    one = rank(store, replace(BASE, demonstrations=tuple(Chosen(name, 1.0) for name in names)))
    other = rank(store, replace(BASE, demonstrations=(Chosen(names[0], 2.0), Chosen(names[1], 1.0))))
    for each in (one, other):
        effects(store, each)
    return one, other


def studied(store: Store, name: str) -> int:
    """The number of a finished study."""
    asked = {"study": name, "dataset": "simulated", "model": "embedded", "users": 20}
    asked |= {"single": "s", "recicl": "r", "periods": 10, "cut": 5}
    job = jobs.submit(store, "study", asked)
    jobs.claim(store, "me")
    jobs.finish(store, job.id, "me", STUDIES[name](asked))
    return job.id


def test_a_run(store: Store, two: tuple[Run, Run]) -> None:
    run = two[0]
    found = story(store, [run.key[:12]])
    text = written(found)
    words = Reader(text).words
    assert found.kind == "run"
    for step in found.steps:
        assert plain(step.finding) in words
    for item in run.result["items"]:
        assert plain(item["title"]) in words
    assert run.key in words
    assert "dualens rank --dataset simulated --user 'shopper 0012' --demonstrations '" in words
    assert "Simulated data: no real shopper is in it." in words
    assert "One user: nothing here says how often demonstrations help." in words
    assert text.count("<svg") == 2, "the lists and the effects"


def test_a_run_without_effects_says_so(store: Store) -> None:
    shop.stock(store)
    run = rank(store, replace(BASE, demos="bm25:2"))
    found = story(store, [run.key])
    assert "was not measured" in Reader(written(found)).words
    assert not any("dualens effects" in each for each in found.commands)


def test_a_run_without_demonstrations(store: Store) -> None:
    shop.stock(store)
    run = rank(store, replace(BASE, demos="none"))
    found = story(store, [run.key])
    written(found)
    assert [step.title for step in found.steps] == ["The list", "The user"]


def test_demonstrations_that_show_the_target_are_named(store: Store) -> None:
    shop.stock(store)
    run = rank(store, BASE)
    target = {name: run.result["target"][name] for name in ("item", "title")}
    views = [
        {**view, "answer": target} if at == 0 else view
        for at, view in enumerate(run.result["demonstrations"])
    ]
    changed = replace(run, key="f" * 64, result={**run.result, "demonstrations": views})
    runs.save(store, changed)
    words = Reader(written(story(store, [changed.key]))).words
    assert "Demonstrations that show the target itself: 1 as its answer" in words


def test_a_comparison(store: Store, two: tuple[Run, Run]) -> None:
    found = story(store, [run.key for run in two])
    words = Reader(written(found)).words
    assert found.kind == "comparison"
    assert "From A to B the target" in found.steps[0].finding
    assert sum(each.startswith("dualens rank") for each in found.commands) == 2
    assert "Careful" not in words


def test_a_comparison_of_other_users_is_careful(store: Store, two: tuple[Run, Run]) -> None:
    other = rank(store, replace(BASE, user="shopper 0003"))
    found = story(store, [two[0].key, two[1].key, other.key])
    words = Reader(written(found)).words
    assert "Careful" in words
    assert "The runs belong to different users" in words


@pytest.mark.parametrize("name", STUDIES)
def test_a_study(store: Store, name: str) -> None:
    shop.stock(store)
    number = studied(store, name)
    found = story(store, [str(number)])
    text = written(found)
    assert found.kind == "study"
    assert "<svg" in text
    assert "nan" not in re.sub(r"[A-Za-z]nan|nan[A-Za-z]", "", text)
    assert f"dualens study {name} --dataset simulated" in "\n".join(found.commands)
    for step in found.steps:
        assert step.finding


def test_a_study_that_runs_says_that_its_numbers_may_change(store: Store) -> None:
    shop.stock(store)
    job = jobs.submit(store, "study", {"study": "drift", "dataset": "simulated", "users": 20})
    assert "its numbers may change" in Reader(written(story(store, [str(job.id)]))).words


@pytest.mark.parametrize("user", ["shopper 0000", "shopper 0001"])
def test_hostile_titles_are_inert(store: Store, user: str) -> None:
    shop.stock(store, titles=HOSTILE)
    run, other = (rank(store, replace(BASE, user=user, demos=demos)) for demos in ("neighbours:6", "bm25:3"))
    effects(store, run)
    for ids in ([run.key], [run.key, other.key]):
        words = Reader(written(story(store, ids))).words
        for item in run.result["items"]:
            assert " ".join(plain(item["title"]).split()) in words


def test_hostile_names_stay_words_of_the_shell(store: Store) -> None:
    """What is copied to a shell runs `dualens` and nothing else, whatever a user or a data set is called."""
    name = "x; touch pwned $(touch pwned) `touch pwned`"
    shop.stock(store, name)
    run = rank(store, replace(BASE, dataset=name, user="shopper 0012"))
    found = story(store, [run.key])
    assert f"--dataset '{name}'" in next(each for each in found.commands if " rank " in each)
    assert not any("\n" in each for each in found.commands)


@pytest.mark.parametrize(
    ("ids", "error"),
    [([], BadInput), (["1"] * 5, BadInput), (["7"], NotFound), (["abcdef", "abcdef"], NotFound)],
)
def test_what_names_nothing_is_refused(store: Store, ids: list[str], error: type[Exception]) -> None:
    with pytest.raises(error):
        story(store, ids)


def test_a_run_is_not_compared_with_itself_however_it_is_named(store: Store, two: tuple[Run, Run]) -> None:
    key = two[0].key
    for ids in ([key, key], [key, key[:8]], [two[1].key, key[:10], key[:8]]):
        with pytest.raises(BadInput, match="is given twice"):
            story(store, ids)


def test_simulated_data_is_called_so_when_its_name_is_free_or_given_to_other_data(store: Store) -> None:
    shop.stock(store)
    run = rank(store, BASE)
    datasets.delete(store, "simulated")
    assert "Simulated data: no real shopper is in it." in Reader(written(story(store, [run.key]))).words
    datasets.insert(store, "simulated", toy_columns(), kind="", source="", fingerprint="r", report={})
    assert "Simulated data: no real shopper is in it." in Reader(written(story(store, [run.key]))).words


def test_a_report_of_a_very_long_list_stays_small(store: Store, two: tuple[Run, Run]) -> None:
    longest = [
        replace(each, key=letter * 64, request_digest=letter, result={**each.result, **_long(each.result)})
        for letter, each in zip("cd", two, strict=True)
    ]
    for each in longest:
        runs.save(store, each)
    keys = [each.key for each in longest]
    for ids in (keys[:1], keys):
        words = Reader(written(story(store, ids))).words
        assert "2,000 more rows are left out" in words


def _long(result: dict[str, Any]) -> dict[str, Any]:
    """Both lists of a result with 3,000 items of the longest titles; the target stands first."""
    one = {**result["items"][0], "title": "'\"" * 250, "is_target": False}
    rows = [{**one, "item": f"x{n}", "rank": n + 1} for n in range(3_000)]
    rows[0] |= {"item": result["target"]["item"], "title": result["target"]["title"], "is_target": True}
    return {"items": rows, "zero_shot": rows}


def test_a_number_is_a_study_and_a_long_one_may_be_a_run(store: Store) -> None:
    shop.stock(store)
    run = rank(store, BASE)
    runs.save(store, replace(run, key="123456" + "a" * 58, request_digest="other"))
    assert story(store, ["123456"]).kind == "run"
    with pytest.raises(NotFound):
        story(store, [str(jobs.submit(store, "setup", {}).id)])


def test_every_kind_is_of_as_many_ids_as_it_says() -> None:
    taken = [count for kind in KINDS.values() for count in range(kind.takes[0], kind.takes[1] + 1)]
    assert sorted(set(taken)) == [1, 2, 3, 4]
    assert kinds.HOW


def test_the_command_writes_the_file(
    store: Store, two: tuple[Run, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUALENS_HOME", str(store.settings.home))
    monkeypatch.delenv("DUALENS_DATABASE_URL", raising=False)
    out = tmp_path / "report.html"
    command.report([two[0].key[:8]], out)
    assert out.read_text(encoding="utf-8").startswith("<!doctype html>")
    with pytest.raises(DualensError, match="cannot be written"):
        command.report([two[0].key], tmp_path / "missing" / "report.html")
