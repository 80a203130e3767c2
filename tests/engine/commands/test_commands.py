"""The command line: help and an example for every command, the fields scripts rely on, clear errors."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from db import datasets, jobs
from db.errors import BadInput
from db.store import Store
from engine import __main__ as cli
from tests.support.own_template import SMALLEST, with_section
from tests.toys import toy_columns

COMMANDS = ["setup", "import", "datasets", "users", "models", "rank", "effects", "verify", "recommend"]
COMMANDS += ["baseline", "runs", "worker", "tune", "study", "preferences", "spread", "pool", "forward"]
COMMANDS += ["optimize", "lasting", "sets", "judge", "lists", "bench", "check", "backup", "restore"]
COMMANDS += ["annotate", "compare", "templates", "rate", "explain", "summarize"]
COMMANDS += ["inspect", "experiment"]
COMMANDS += ["export", "policy", "prompt", "forget"]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Run a command in a workspace of its own; returns what its JSON says."""
    monkeypatch.setenv("DUALENS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DUALENS_DATABASE_URL", raising=False)
    monkeypatch.setenv("DUALENS_DEVICE", "cpu")

    def run(*words: str) -> Any:
        result = CliRunner().invoke(cli.app, [*words, "--json"], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return run


@pytest.fixture
def shop(call: Callable[..., Any], model_folder: Callable[..., Path]) -> Callable[..., Any]:
    """A workspace with a toy data set and a tiny model."""
    with Store.open() as store:
        columns = toy_columns(users=12, items=30, length=8)
        datasets.insert(store, "toy", columns, kind="generic", source="t", fingerprint="toy", report={})
    call("models", "--add", str(model_folder("llama")), "--name", "tiny")
    return call


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_an_example(command: str) -> None:
    result = CliRunner().invoke(cli.app, [command, "--help"])
    assert result.exit_code == 0
    assert f"Example: dualens {command}" in " ".join(result.output.split())


def test_no_command_is_missing_from_the_list() -> None:
    assert sorted(typer.main.get_command(cli.app).commands) == sorted(COMMANDS)  # type: ignore[attr-defined]


def test_listings_stand_under_a_plural_key(shop: Callable[..., Any]) -> None:
    [dataset] = shop("datasets")["datasets"]
    assert {"name": "toy", "users": 12, "items": 30, "interactions": 96, "fingerprint": "toy"}.items() <= (
        dataset.items()
    )
    users = shop("users", "--dataset", "toy", "--limit", "3")["users"]
    assert [sorted({"user", "length"} & set(user)) for user in users] == [["length", "user"]] * 3
    [model] = shop("models")["models"]
    assert model["name"] == "tiny"
    assert model["architecture"] == "LlamaForCausalLM"
    assert model["parameters"] > 0
    assert shop("runs")["runs"] == []


def test_rank_effects_and_runs_agree(shop: Callable[..., Any]) -> None:
    words = ("-d", "toy", "-u", "u8", "-m", "tiny", "--demos", "neighbours:3", "--candidates", "6")
    ranked = shop("rank", *words)
    assert not ranked["cached"]
    assert len(ranked["items"]) == len(ranked["zero_shot"]) == 6
    assert set(ranked["items"][0]) == {"item", "title", "rank", "score", "is_target"}
    assert all({"id", "weight", "text", "source"} <= set(demo) for demo in ranked["demonstrations"])
    assert {"metrics", "timings_ms"} <= set(ranked)
    assert shop("rank", *words)["cached"]

    found = shop("effects", *words, "--leave-one-out")
    assert found["run"] == ranked["run"]
    assert {
        *("measure", "mode", "value_zero_shot", "value", "effect_total", "zero_shot", "readings"),
        *("estimator", "passes", "arithmetic", "interactions", "redundant", "notes", "removal", "timings_ms"),
    } <= set(found)
    assert (found["measure"], found["mode"]) == ("margin", "reprompt")
    of_one = {"id", "effect", "interval", "leave_one_out", "loss_effect", "mass", "removal", "disagrees"}
    assert all(set(demo) == of_one for demo in found["demonstrations"])
    assert all(isinstance(demo["leave_one_out"], float) for demo in found["demonstrations"])
    nats = shop("effects", *words, "--measure", "loss", "--mode", "direct")
    assert (nats["measure"], nats["mode"]) == ("loss", "direct")
    assert all("removal" not in demo for demo in nats["demonstrations"])
    assert nats["value"] == pytest.approx(ranked["loss"], abs=1e-4)

    weighted = shop("rank", *words, "--weights", "1,0,2")
    assert [demo["weight"] for demo in weighted["demonstrations"]] == [1.0, 0.0, 2.0]
    assert {run["run"] for run in shop("runs")["runs"]} == {ranked["run"], weighted["run"]}


def test_runs_are_marked_filtered_deleted_and_brought_back(shop: Callable[..., Any]) -> None:
    words = ("-d", "toy", "-u", "u8", "-m", "tiny", "--candidates", "6", "--demos")
    two, none = (shop("rank", *words, demos)["run"] for demos in ("neighbours:2", "none"))

    def listed(*options: str) -> list[str]:
        return [run["run"] for run in shop("runs", *options)["runs"]]

    assert listed() == [none, two]
    [marked] = shop("annotate", two[:8], "--star", "--tag", "good", "--tag", "x", "--note", "for Monday")[
        "runs"
    ]
    assert (marked["starred"], marked["tags"], marked["note"]) == (True, ["good", "x"], "for Monday")
    [marked] = shop("annotate", two, "--untag", "x")["runs"]
    assert (marked["starred"], marked["tags"], marked["note"]) == (True, ["good"], "for Monday")
    for options in (("--tag", "good"), ("--starred",), ("--search", "monday"), ("--strategy", "neighbours")):
        assert listed(*options) == [two], options
    assert listed("--no-starred", "--target") == [none]
    assert listed("--sort", "k", "--limit", "1") == [two]
    assert listed("--sort", "k", "--reverse", "--after", none) == [two]
    shop("annotate", none, two, "--delete")
    assert listed() == []
    assert sorted(listed("--deleted")) == sorted([none, two])
    shop("annotate", two, "--restore")
    assert listed() == [two]
    with pytest.raises(BadInput, match="one at a time"):
        shop("annotate", two, "--restore", "--delete")


def test_a_pool_in_the_order_of_what_each_would_do(shop: Callable[..., Any]) -> None:
    words = ("-d", "toy", "-u", "u8", "-m", "tiny", "--demos", "neighbours:2", "--candidates", "6")
    plain = shop("pool", *words, "--sources", "random", "--size", "4")
    assert all("predicted" not in row for row in plain["demonstrations"])
    found = shop("pool", *words, "--sources", "random", "--size", "4", "--predicted")
    effects = [row["predicted"] for row in found["demonstrations"] if row["predicted"] is not None]
    assert effects == sorted(effects, reverse=True)
    assert {row["id"] for row in found["demonstrations"]} == {row["id"] for row in plain["demonstrations"]}
    assert sorted(found["predicted"]["effects"].values(), reverse=True) == effects


def test_runs_are_compared_and_the_differences_divided(shop: Callable[..., Any]) -> None:
    words = ("rank", "-d", "toy", "-u", "u8", "-m", "tiny", "--candidates", "6", "--demos")
    one, two = shop(*words, "recent:3")["run"], shop(*words, "neighbours:3", "--history", "3")["run"]
    view = shop("compare", one, two, "--why")
    assert [row["run"] for row in view["runs"]] == [one, two]
    assert {row["field"]: row["values"] for row in view["changed"]} == {
        "demos": ["recent:3", "neighbours:3"],
        "history": [10, 3],
    }
    assert len(view["why"]["inputs"]) == 2
    parts = [row["shapley"]["margin"] for row in view["why"]["inputs"]]
    assert sum(parts) == pytest.approx(view["why"]["readings"]["margin"]["change"])
    said = CliRunner().invoke(cli.app, ["compare", one, two, one, "--why"])
    assert isinstance(said.exception, BadInput)
    printed = CliRunner().invoke(cli.app, ["compare", one, two, "--why"], catch_exceptions=False).output
    assert "history items in the prompt" in printed
    assert "swapped alone" in printed


def test_the_whole_catalogue_and_a_baseline(shop: Callable[..., Any]) -> None:
    words = ("-d", "toy", "-u", "u8", "-m", "tiny", "--demos", "neighbours:2")
    found = shop("recommend", *words, "--top", "5")
    assert [row["rank"] for row in found["items"]] == [1, 2, 3, 4, 5]
    assert "timings_ms" in found
    measured = shop("baseline", "--kind", "popularity", "-d", "toy", "--users", "6")["metrics"]["ndcg10"]
    low, high = measured["interval"]
    assert 0 <= low <= measured["mean"] <= high <= 1


def test_a_trained_baseline_is_a_job_and_is_kept(shop: Callable[..., Any]) -> None:
    words = ("baseline", "--kind", "sasrec-scaled", "-d", "toy", "--users", "6", "--minutes", "0.005")
    first = shop(*words)
    assert first["fit"]["step"] >= 1
    assert first["loaded"]  # by the ranking, from what the job kept
    assert shop(*words)["ranks"] == first["ranks"]
    with Store.open() as store:
        done = [job for job in jobs.listing(store) if job.kind == "tune"]
    assert [job.state for job in done] == [jobs.COMPLETED] * 2
    assert done[0].result is not None
    hinted = shop("rank", "-d", "toy", "-u", "u8", "-m", "tiny", "--hint", "sasrec-scaled")
    assert hinted["hint"]["name"] == "sasrec-scaled"


def test_preferences_are_json_lines(shop: Callable[..., Any], tmp_path: Path) -> None:
    out = tmp_path / "pairs.jsonl"
    done = shop("preferences", "-d", "toy", "-m", "tiny", "--users", "4", "--size", "2", "--out", str(out))
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert done["pairs"] == len(lines) > 0
    assert all({"prompt", "chosen", "rejected"} <= set(line) for line in lines)


def test_verify_tells_every_layer(shop: Callable[..., Any]) -> None:
    checked = shop("verify", "--model", "tiny")
    assert checked["ok"] is True
    assert checked["dtype"] == "float32"
    assert [layer["layer"] for layer in checked["layers"]] == [0, 1, 2]
    assert all(set(layer["relative_error"]) == {"B", "C"} for layer in checked["layers"])
    assert all(0 <= error < 1e-4 for row in checked["layers"] for error in row["relative_error"].values())


def test_import_reports_and_repeats_as_nothing(call: Callable[..., Any], tmp_path: Path) -> None:
    rows = "".join(f"u{u},i{(u + p) % 9},{1_000_000_000 + p * 86_400}\n" for u in range(6) for p in range(5))
    path = tmp_path / "shop.csv"
    path.write_text("user_id,item_id,timestamp\n" + rows, encoding="utf-8")
    assert call("import", str(path), "--preview")["format"]
    assert call("datasets")["datasets"] == []
    assert call("import", str(path), "--name", "shop")["dataset"] == "shop"
    again = call("import", str(path), "--name", "shop")
    assert again["report"]["unchanged"] is True
    assert len(call("datasets")["datasets"]) == 1


@pytest.mark.parametrize(
    "words",
    [
        ("rank", "-d", "nowhere", "-u", "x"),
        ("rank", "-d", "toy", "-u", "u8", "-m", "tiny", "--weights", "1,two"),
        ("users", "--dataset", "nowhere"),
        ("import", "/nowhere/at/all.csv"),
        ("models", "--add", "/nowhere/at/all"),
    ],
)
def test_an_error_is_one_line_and_status_2(
    shop: Callable[..., Any], words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    status = cli.main(lambda: cli.app(list(words), standalone_mode=False))
    assert status == 2
    told = capsys.readouterr().err
    assert told.startswith("Error: ")
    assert "Traceback" not in told
    assert told.count("\n") == 1


@pytest.mark.parametrize("wrong", [("--scoring", "loud"), ("--candidates", "1"), ("--history-by", "age")])
def test_a_choice_there_is_not_and_a_number_out_of_bounds_are_refused_by_name(wrong: tuple[str, str]) -> None:
    result = CliRunner().invoke(cli.app, ["rank", "-u", "u8", *wrong])
    assert result.exit_code == 2
    assert wrong[0] in result.output


def test_hostile_titles_are_printed_as_they_are(shop: Callable[..., Any]) -> None:
    with Store.open() as store:
        columns = toy_columns(users=12, items=30, length=8)
        columns.titles[:] = [f"[red]{n}[/red] \u202e😀 <b> $x$" for n in range(30)]
        datasets.insert(store, "odd", columns, kind="generic", source="t", fingerprint="odd", report={})
    words = ["rank", "-d", "odd", "-u", "u8", "-m", "tiny", "--candidates", "4"]
    result = CliRunner().invoke(cli.app, words, catch_exceptions=False)
    assert result.exit_code == 0
    assert "[red]" in result.output
    assert "<b> $x$" in result.output


def test_templates_are_listed_shown_kept_and_deleted(shop: Callable[..., Any], tmp_path: Path) -> None:
    def said(*words: str) -> str:
        result = CliRunner().invoke(cli.app, ["templates", *words], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout

    file = tmp_path / "mine.toml"
    file.write_text(said("--show", "tallrec"))
    [_, *_, row] = shop("templates")["templates"]
    assert row["template"] == "proximal"
    assert said("--save", str(file)).startswith("Kept as mine@")
    own = shop("templates")["templates"][-1]
    assert own["scorings"] == "yes_no"
    asked = ("rank", "-d", "toy", "-u", "u1", "-m", "tiny", "--demos", "none", "--candidates", "5")
    shop(*asked, "--template", str(file))
    assert said("--delete", "mine").startswith("Deleted mine.")
    assert own not in shop("templates")["templates"]
    with pytest.raises(BadInput, match="one at a time"):
        CliRunner().invoke(
            cli.app, ["templates", "--show", "plain", "--delete", "mine"], catch_exceptions=False
        )


def test_a_template_is_shown_as_it_is(shop: Callable[..., Any], tmp_path: Path) -> None:
    """Written to a file it is the same template: no line is broken, however long."""
    file = tmp_path / "long.toml"
    file.write_text(SMALLEST.replace("Books read.", "Books read, " + "and read again, " * 40))
    words = ["templates", "--save", str(file)], ["templates", "--show", "long"]
    _, shown = (CliRunner().invoke(cli.app, each, catch_exceptions=False) for each in words)
    assert shown.stdout == file.read_text()


def test_ratings_and_texts_are_asked_for(shop: Callable[..., Any]) -> None:
    asked = ("-d", "toy", "-u", "u1", "-m", "tiny", "--demos", "neighbours:2")
    rated = shop("rate", *asked)
    assert sum(each["p"] for each in rated["probabilities"]) == pytest.approx(1)
    assert shop("explain", *asked, "--item", "i3")["item"] == "i3"
    assert "Free text" in shop("summarize", "Sturdy.", "-m", "tiny")["notes"][0]


def test_a_file_of_a_template_is_taken_wherever_a_template_is_named(
    shop: Callable[..., Any], tmp_path: Path
) -> None:
    files = {}
    for name, asked, answer in (
        ("title", "", "- {answer}"),
        ("rating", "{title}\n", "Rating: {answer}"),
        ("explanation", "{title}\n", "- {answer}"),
        ("summary", "{review}\n", "- {answer}"),
    ):
        files[name] = tmp_path / f"{name}.TOML"
        files[name].write_text(with_section(name, asked, answer))
    model = ("-m", "tiny")
    asked = ("-d", "toy", "-u", "u1", *model, "--demos", "neighbours:1")
    shop("rank", *asked, "--candidates", "5", "--template", str(files["title"]))
    shop("rate", *asked, "--template", str(files["rating"]))
    shop("explain", *asked, "--item", "i3", "--template", str(files["explanation"]))
    shop("bench", "precision", "-d", "toy", *model, "--users", "2")
    shop("bench", "ratings", "-d", "toy", *model, "--users", "2", "--template", str(files["rating"]))
    own = shop("summarize", "Sturdy.", *model, "--template", str(files["summary"]))
    assert own["tokens"] != shop("summarize", "Sturdy.", *model)["tokens"]
    kept = {row["template"].partition("@")[0] for row in shop("templates")["templates"]}
    assert files.keys() <= kept


def test_a_run_becomes_a_policy_whose_prompts_are_the_runs(shop: Callable[..., Any], tmp_path: Path) -> None:
    words = ("-d", "toy", "-u", "u8", "-m", "tiny", "--candidates", "6", "--demos", "neighbours:2")
    ranked = shop("rank", *words)
    [exported] = shop("export", ranked["run"][:8])["prompts"]
    for options, strategy in (((), "neighbours:2"), (("--fixed",), "fixed")):
        file = tmp_path / f"{strategy[:5]}.json"
        assert shop("policy", ranked["run"], str(file), *options)["strategy"] == strategy
        [prompt] = shop("prompt", str(file), "--user", "u8")["prompts"]
        assert prompt["tokens"]["ids"] == exported["tokens"]["ids"]
    plain = CliRunner().invoke(cli.app, ["export", ranked["run"]], catch_exceptions=False)
    assert plain.stdout.removesuffix("\n") == exported["text"].removesuffix("\n")
    messages = CliRunner().invoke(cli.app, ["prompt", str(file), "Tetris", "--form", "messages"])
    assert json.loads(messages.stdout)[0]["content"].endswith("- Tetris\nNext:\n")
    with pytest.raises(BadInput, match="exists already"):
        shop("policy", ranked["run"], str(file))


def test_a_purchase_is_forgotten_listed_checked_and_brought_back(shop: Callable[..., Any]) -> None:
    words = ("-d", "toy", "-u", "u8", "-m", "tiny", "--candidates", "6", "--demos", "neighbours:2")
    before = shop("rank", *words)["run"]
    [entry] = shop("forget", "-d", "toy", "-u", "u8", "--item", "i10")["forgotten"]
    assert shop("forget", "-d", "toy")["forgotten"] == [entry]
    assert shop("rank", *words)["run"] != before
    places = {place["place"]: place for place in shop("forget", "-d", "toy", "--check")["places"]}
    assert before in places["stored runs"]["examples"]
    assert shop("datasets")["datasets"][0]["interactions"] == 95
    with pytest.raises(BadInput, match="--undo 2"):
        shop("forget", "-d", "toy", "--undo", "2")
    assert shop("forget", "-d", "toy", "--undo", "1")["forgotten"] == []
    assert shop("rank", *words)["run"] == before
    with pytest.raises(BadInput, match="one at a time"):
        shop("forget", "-d", "toy", "--item", "i10", "--check")
    assert len(shop("forget", "-d", "toy", "--user", "u3")["forgotten"]) == 1
    assert shop("forget", "-d", "toy", "--undo-all")["forgotten"] == []
