"""The sentences follow the numbers."""

from typing import Any

from dashboard.text import words


def demo(name: str, answer: str, source: str = "neighbours", **more: Any) -> dict[str, Any]:
    history = [{"item": "h", "title": f"before {answer}"}]
    return {
        "id": name,
        "weight": 1.0,
        "source": source,
        "user": "1187",
        "history": history,
        "answer": {"item": answer, "title": answer},
        "timestamp": None,
        **more,
    }


def result(
    before: int, after: int, loss: tuple[float, float], demos: list[dict[str, Any]], kind: str = "test"
) -> dict[str, Any]:
    return {
        "items": [{}] * 20,
        "metrics": {"rank": after, "zero_shot": {"rank": before}},
        "target": {"item": "t", "title": "Rose Perfume", "kind": kind},
        "loss_zero_shot": loss[0],
        "loss": loss[1],
        "demonstrations": demos,
    }


def measured(**effects: float) -> dict[str, Any]:
    return {
        "demonstrations": [
            {"id": name, "effect": value, "leave_one_out": value + 0.01, "interval": [value, value]}
            for name, value in effects.items()
        ],
        "measure": "loss",
        "spearman_leave_one_out": 0.96,
    }


def test_a_gain_names_the_best_and_the_worst() -> None:
    run = result(7, 1, (4.92, 2.61), [demo("a", "Perfume"), demo("b", "Hose")])
    text = words.recommend(run, measured(a=2.57, b=-0.26))
    assert "rises from 7th to 1st of 20" in text
    assert "loss falls by 2.31 nats" in text
    assert "Number 1 (Perfume) helps most: +2.57 nats, 100% of all positive effects." in text
    assert "Number 2 (Hose) hurts most: −0.26 nats." in text


def test_a_loss_is_called_a_loss() -> None:
    text = words.recommend(result(2, 5, (3.0, 3.5), [demo("a", "Hose")]), None)
    assert "falls from 2nd to 5th" in text
    assert "loss rises by 0.50 nats" in text


def test_ties_leave_the_place_open() -> None:
    run = result(7, 4, (3.0, 3.0), [demo("a", "Hose")])
    run["metrics"] = {"rank": 4.5, "tied": 3, "zero_shot": {"rank": 7.0, "tied": 0}}
    assert "rises from 7th to 3rd–6th (tied with 3 others) of 20" in words.recommend(run, None)
    run["metrics"] |= {"zero_shot": {"rank": 4.5, "tied": 1}}
    assert "goes from 4th–5th (tied with 1 other) to 3rd–6th" in words.recommend(run, None)


def test_no_demonstrations_and_no_change() -> None:
    assert "Without demonstrations" in words.recommend(result(7, 7, (3.0, 3.0), []), None)
    text = words.recommend(result(7, 7, (3.0, 3.0), [demo("a", "Hose")]), measured(a=0.01))
    assert "stays 7th of 20" in text
    assert "does not change" in text
    assert "No single demonstration has a noticeable effect." in text


def test_the_probe_is_not_called_the_next_purchase() -> None:
    assert "past item" in words.recommend(result(7, 1, (3.0, 2.0), [demo("a", "Hose")], kind="probe"), None)


def test_effects_of_other_demonstrations_are_ignored() -> None:
    assert words.shares([demo("a", "Hose")], measured(other=3.0)) == ""


def test_faithfulness_says_how_far_and_how_sure() -> None:
    assert "agrees with leaving each one out alone" in words.faithfulness(measured(a=1.0, b=0.5, c=0.1))
    two = words.faithfulness(measured(a=1.0, b=0.5))
    assert "at most 0.01 nats" in two
    assert "correlation" not in two
    twins = {"demonstrations": [{"id": name, "effect": 6.0, "leave_one_out": 0.2} for name in "abc"]}
    told = words.faithfulness({**twins, "measure": "margin", "spearman_leave_one_out": 0.8})
    assert "share the credit" in told
    assert "the amounts are up to 5.80 log-share apart" in told
    assert "share the credit" not in words.faithfulness(measured(a=1.0, b=0.5, c=0.1))
    poor = {**measured(a=1.0, b=0.5, c=0.1), "spearman_leave_one_out": -0.5}
    assert "does not agree" in words.faithfulness(poor)
    assert "Not checked" in words.faithfulness(
        {"demonstrations": [{"id": "a", "effect": 1.0, "leave_one_out": None}]}
    )


def test_source_lines() -> None:
    assert (
        words.source_line(demo("a", "x", shared=2, timestamp=1_614_729_600))
        == "neighbour · 2 shared · 1187 · 3 Mar 2021"
    )
    assert (
        words.source_line(demo("a", "x", source="proximal", timestamp=1_614_729_600))
        == "own window · 3 Mar 2021"
    )
    assert words.source_line(demo("a", "x", source="hand-made")) == "hand-made · 1187"


def test_a_demonstration_without_history_is_its_answer() -> None:
    assert words.short({"answer": {"title": "Perfume"}, "history": []}) == "→ Perfume"


def test_other_lists_in_words() -> None:
    listed = [{"item": "a", "rank": 1, "is_target": False}, {"item": "t", "rank": 2, "is_target": True}]
    result = {
        "metrics": {"rank": 1, "zero_shot": {"rank": 2}},
        "items": listed,
        "target": {"title": "T"},
        "demonstrations": [{}],
    }
    tied = {"rank": 1.5, "tied": 1}
    assert words.peers(result, {"item-kNN": {"rank": 2.0, "tied": 0}, "BM25": tied}) == (
        "The model ranks T 1st of 2 (2nd without demonstrations); item-kNN 2nd, BM25 1st–2nd (tied with 1 "
        "other)."
    )
    found = {"items": listed, "zero_shot": [{"item": "b", "rank": 1, "is_target": False}]}
    assert words.catalogue(found, "T") == (
        "The target, T, is not among them without demonstrations and 2nd with. The demonstrations bring in 2 "
        "of the 2."
    )


def test_how_effects_were_measured_is_told_with_its_bound_and_its_rival() -> None:
    one = {"measure": "margin", "demonstrations": [{"interval": [1.0, 1.0]}, {"interval": [2.0, 2.0]}]}
    assert words.how_measured({**one, "estimator": "exact"}) == "Measured exactly."
    wide = {**one, "demonstrations": [{"interval": [1.0, 1.4]}, {"interval": [2.0, 2.1]}]}
    assert words.how_measured({**wide, "estimator": "kriging"}) == (
        "Estimated (kriging), each to within 0.2 log-share."
    )
    unknown = {**one, "demonstrations": [{"interval": None}]}
    assert words.how_measured({**unknown, "estimator": "aumann"}).endswith("is not known.")


def test_effects_whose_intervals_overlap_are_not_ranked() -> None:
    demos = [demo(name, name.upper()) for name in "abc"]
    wide = measured(a=1.0, b=0.9, c=-0.5)
    for entry, half in zip(wide["demonstrations"], (0.2, 0.2, 0.1), strict=True):
        entry["interval"] = [entry["effect"] - half, entry["effect"] + half]
    said = words.shares(demos, wide)
    assert "Numbers 1 and 2 help most, and are not ranked, as their intervals overlap." in said
    assert "Number 3 (C) hurts most: −0.50 nats." in said
    assert "helps most" not in said
    for entry in wide["demonstrations"]:
        entry["interval"] = [-2.0, 2.0]
    assert words.shares(demos, wide).startswith("Which demonstration helps most cannot be told")


def test_effects_of_the_same_size_are_not_ranked_either() -> None:
    said = words.shares([demo(name, name) for name in "abc"], measured(a=0.5801, b=0.5799, c=-0.1))
    assert said == "Numbers 1 and 2 help most, +0.58 nats each. Number 3 (c) hurts most: −0.10 nats."
    alike = words.shares([demo(name, name) for name in "ab"], measured(a=0.5801, b=0.5799))
    assert alike == "Numbers 1 and 2 help most, +0.58 nats each."


def test_the_redundant_pair_and_the_opposed_ones_are_named() -> None:
    effects = measured(a=1.0, b=0.9, c=-0.5) | {"mode": "reprompt", "measure": "margin"}
    assert words.redundancy(effects) == words.opposed(effects) == ""
    pair = {"first": "b", "second": "a", "interaction": -0.8, "effects": [0.9, 1.0]}
    assert words.redundancy({**effects, "redundant": pair}) == (
        "Numbers 1 and 2 teach the same: beside one of them the other adds 0.80 log-share less, on average."
    )
    effects["demonstrations"][2] |= {"disagrees": True, "removal": {"effect": 0.3}}
    assert "number 3: turned down +0.30, dropped −0.50" in words.opposed(effects)
    assert words.meaning(effects).startswith("Effects if you drop it, on the log of the target's share")


def test_the_share_among_the_candidates_is_said_where_a_run_knows_it() -> None:
    run = result(7, 1, (4.9, 2.6), [demo("a", "Hose")]) | {"margin_zero_shot": -2.0, "margin": -0.1}
    assert "its share among the candidates grows from 14% to 90%" in words.recommend(run, None)
    assert "share" not in words.recommend(result(7, 1, (4.9, 2.6), [demo("a", "Hose")]), None)
    same = run | {"margin_zero_shot": -0.0002, "margin": -0.0003}
    assert "its share among the candidates stays at over 99%" in words.recommend(same, None)
    apart = run | {"margin_zero_shot": -12.0, "margin": -0.0003}
    assert "candidates grows from under 1% to over 99%" in words.recommend(apart, None)
