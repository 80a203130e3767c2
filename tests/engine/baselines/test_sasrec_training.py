"""SASRec: causal, learns a rule, the scaled loss estimates the full one; a resumed run is the same run."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from db.errors import BadInput, Conflict
from engine.baselines import sasrec_training
from engine.baselines.sasrec_network import Network, Shape, padded
from engine.baselines.sasrec_training import Recipe, full_loss, pieces, scaled_loss, train
from engine.baselines.scorer import visible
from tests.engine.baselines.shop import ITEMS, cycle_columns
from tests.toys import toy_columns

torch.set_num_threads(1)
SMALL = Recipe(width=16, blocks=1, longest=8, batch=32, epochs=30, negatives=8, learning_rate=5e-3, steps=1)


class Enough(Exception):
    """Raised by a callback to stop."""


@pytest.fixture(scope="module")
def network() -> Network:
    torch.manual_seed(0)
    untrained = Network(Shape(items=10, width=8, blocks=2, heads=2, longest=6)).eval()
    with torch.no_grad():
        for parameter in untrained.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return untrained


def test_a_state_depends_on_what_came_before_it_only(network: Network):
    lengths = torch.tensor([5])
    states = network(torch.tensor([[1, 2, 3, 4, 5]]), lengths)
    later = network(torch.tensor([[1, 2, 3, 9, 9]]), lengths)
    torch.testing.assert_close(states[:, :3], later[:, :3])
    assert (states[:, 3] - later[:, 3]).abs().max() > 1e-3


def test_what_validates_is_in_no_sequence_that_is_trained_on():
    """Everybody's items are their own, so each tells whose it is and where it stood."""
    histories = [[100 * user + place for place in range(3 + user)] for user in range(9)]
    run = sasrec_training._Run(histories, 1000, SMALL, lambda *_: None)
    trained = {item for sequence in run.sequences for item in sequence}
    assert trained == {item for history in histories for item in history[:-1]}
    assert sorted(history[-1] for history in run.validation) == sorted(history[-1] for history in histories)


def test_padding_changes_nothing(network: Network):
    alone = network.newest([[1, 2]])
    together = network.newest([[1, 2], [3, 4, 5, 6, 7]])
    torch.testing.assert_close(alone[0], together[0])


def test_the_newest_items_count_in_their_order(network: Network):
    long = [7, 8, 1, 2, 3, 4, 5, 6]
    torch.testing.assert_close(network.newest([long]), network.newest([long[2:]]))
    assert (network.newest([[1, 2, 3]]) - network.newest([[2, 1, 3]])).abs().max() > 1e-3
    inputs, lengths = padded([long, [1]], network.shape)
    assert inputs.tolist() == [[1, 2, 3, 4, 5, 6], [1, 10, 10, 10, 10, 10]]
    assert lengths.tolist() == [6, 1]


def test_the_scaled_loss_is_the_full_one_where_every_item_is_drawn_once():
    torch.manual_seed(1)
    states, embeddings = torch.randn(7, 4), torch.randn(12, 4)
    targets = torch.randint(12, (7,))
    torch.testing.assert_close(
        scaled_loss(states, targets, embeddings, torch.arange(12)), full_loss(states, targets, embeddings)
    )


def test_the_scaled_loss_scales_up_the_sampled_normalizer():
    states, embeddings = torch.zeros(1, 4), torch.zeros(101, 4)  # all logits 0: log(1 + 100)
    loss = scaled_loss(states, torch.tensor([0]), embeddings, torch.tensor([5, 6]))
    assert loss.item() == pytest.approx(np.log(101), abs=1e-5)


@pytest.mark.parametrize("loss", ["full", "scaled"])
def test_it_learns_the_rule_of_the_shop(loss: str):
    columns = cycle_columns()
    fitted = train(columns, visible(columns), replace(SMALL, loss=loss))
    right = [
        fitted.scores([(item * 7) % ITEMS, item], range(ITEMS)).argmax() == (5 * item + 1) % ITEMS
        for item in range(ITEMS)
    ]
    assert np.mean(right) > 0.7  # chance is 1 in 24
    assert fitted.report["best"] > 0.6
    assert fitted.report["curve"][0]["loss"] > fitted.report["curve"][-1]["loss"]


def test_it_ends_early_and_keeps_the_best_epoch():
    columns = cycle_columns(40)
    fitted = train(columns, visible(columns), replace(SMALL, epochs=200, patience=3))
    curve = [line["validation"] for line in fitted.report["curve"]]
    assert len(curve) < 200
    assert fitted.report["best_epoch"] == int(np.argmax(curve)) + 1 == len(curve) - 3
    again = train(columns, visible(columns), replace(SMALL, epochs=fitted.report["best_epoch"], patience=3))
    np.testing.assert_array_equal(again.scores([1, 2], range(ITEMS)), fitted.scores([1, 2], range(ITEMS)))


@pytest.mark.parametrize("loss", ["full", "scaled"])
def test_a_stopped_run_goes_on_to_the_same_weights(loss: str, tmp_path: Path):
    columns = cycle_columns(40)
    recipe = replace(SMALL, loss=loss, epochs=5)
    whole = train(columns, visible(columns), recipe)
    path = tmp_path / "run.checkpoint"

    def stop_in_the_third_epoch(_share: float | None, message: str, *_: object) -> None:
        if message.startswith("SASRec epoch 3"):
            raise Enough

    with pytest.raises(Enough):
        train(columns, visible(columns), recipe, progress=stop_in_the_third_epoch, checkpoint=path)
    assert path.exists()
    epochs: list[str] = []
    resumed = train(
        columns,
        visible(columns),
        recipe,
        progress=lambda _share, message, *_: epochs.append(message.split()[2].rstrip(",")),
        checkpoint=path,
    )
    assert sorted(set(epochs)) == ["3", "4", "5"]
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(tensor, resumed.network.state_dict()[name]), name
    assert [line["loss"] for line in resumed.report["curve"]] == [
        line["loss"] for line in whole.report["curve"]
    ]
    assert not path.exists()


def test_a_run_stopped_within_an_epoch_goes_on_to_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sasrec_training, "KEEP_S", 0.0)
    columns = cycle_columns(80)
    recipe = replace(SMALL, epochs=3, batch=8)
    whole = train(columns, visible(columns), recipe)
    path = tmp_path / "run.checkpoint"
    steps: list[float] = []

    def stop_at_the_fourth_step(share: float, *_: object) -> None:
        torch.rand(3)  # what else the process draws meanwhile has no say
        steps.append(share)
        if len(steps) == 4:
            raise Enough

    with pytest.raises(Enough):
        train(columns, visible(columns), recipe, progress=stop_at_the_fourth_step, checkpoint=path)
    resumed = train(columns, visible(columns), recipe, progress=lambda *_: torch.rand(3), checkpoint=path)
    assert resumed.report["step"] == whole.report["step"]
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(tensor, resumed.network.state_dict()[name]), name
    kept = {"seconds": 0.0}
    assert [line | kept for line in resumed.report["curve"]] == [
        line | kept for line in whole.report["curve"]
    ]


def test_the_time_limit_cuts_an_epoch_short_and_says_so():
    columns = cycle_columns(80)
    steps: list[float] = []
    fitted = train(
        columns, visible(columns), SMALL, minutes=1e-6, progress=lambda share, *_: steps.append(share)
    )
    assert fitted.report["step"] == 1
    assert fitted.report["curve"][0]["validation"] >= 0
    assert "minutes are over" in fitted.report["stopped_because"]


@given(st.lists(st.integers(0, 99), min_size=2, max_size=40), st.integers(1, 9))
def test_every_item_but_the_oldest_is_a_target_once(history: list[int], longest: int):
    windows = pieces(history, longest)
    assert all(2 <= len(window) <= longest + 1 for window in windows)
    assert [item for window in reversed(windows) for item in window[1:]] == history[1:]
    assert len(windows[0]) == min(longest + 1, len(history))


def test_a_checkpoint_of_another_recipe_is_refused_and_kept(tmp_path: Path):
    columns = cycle_columns(40)
    path = tmp_path / "run.checkpoint"

    def stop(_share: float | None, message: str, *_: object) -> None:
        if message.startswith("SASRec epoch 2"):
            raise Enough

    with pytest.raises(Enough):
        train(columns, visible(columns), SMALL, progress=stop, checkpoint=path)
    before = path.read_bytes()
    with pytest.raises(Conflict, match="another recipe"):
        train(columns, visible(columns), replace(SMALL, seed=1), checkpoint=path)
    with pytest.raises(Conflict, match="other data"):
        train(columns, visible(columns, "probe"), SMALL, checkpoint=path)
    assert path.read_bytes() == before


def test_training_leaves_the_callers_random_numbers_alone():
    columns = cycle_columns(20)
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    train(columns, visible(columns), replace(SMALL, epochs=1))
    assert torch.equal(torch.rand(1), expected)


def test_what_cannot_be_fitted_is_refused():
    columns = toy_columns(length=3)
    with pytest.raises(BadInput, match="three visible"):
        train(columns, visible(columns), SMALL)
    with pytest.raises(BadInput, match="loss is 'bpr'"):
        train(columns, visible(columns), Recipe(loss="bpr"))
