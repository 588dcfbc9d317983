"""A member of a population trains as it would alone."""

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cerebros.data.features import Fold
from cerebros.nets import population, training
from cerebros.nets.population import repeat_over_seeds, train_together
from cerebros.nets.space import MERGES, NORMALISATIONS, cerebros_space
from cerebros.nets.training import Recipe, Training
from cerebros.nets.wiring import Architecture, wire

SPACE = cerebros_space(levels=3, units=3, neurons=16)


def drawn_architecture(seed: int, outputs: int = 3) -> Architecture:
    drawn = wire(SPACE.draw(np.random.default_rng(seed)), 6, outputs)
    return msgspec.structs.replace(drawn, dropout=0.0)


def labelled_fold(seed: int, task: str = "classification", n: int = 81) -> Fold:
    generator = np.random.default_rng(seed)
    inputs = generator.normal(size=(n, 6)).astype(np.float32)
    if task == "regression":
        return Fold(inputs, np.sin(inputs[:, 0]))
    if task == "multilabel":
        return Fold(inputs, (inputs[:, :3] > 0).astype(np.float32))
    return Fold(inputs, (inputs[:, 0] > 0).astype(np.int64) + (inputs[:, 1] > 0.5))


def new_training(net: Architecture, seed: int, rate: float = 0.01, task: str = "classification") -> Training:
    recipe = Recipe(learning_rate=rate, weight_decay=0.01, batch_size=16, epochs=8, seed=seed)
    return Training(net, recipe, labelled_fold(1, task), labelled_fold(2, task), task)


def train_alone(of: Training, epochs: int) -> list:
    return [epoch for _, epoch in zip(range(epochs), of, strict=False)]


def assert_same_net(first: Training, second: Training) -> None:
    for (name, here), there in zip(first.net.state_dict().items(), second.net.state_dict().values(), strict=True):
        torch.testing.assert_close(here, there, atol=2e-3, rtol=2e-3, msg=name)


@settings(max_examples=10, deadline=None)
@given(first=st.integers(0, 2**31), task=st.sampled_from(["classification", "multilabel", "regression"]))
def test_ragged_members_with_rates_of_their_own_train_as_they_would_alone(first, task):
    outputs = 1 if task == "regression" else 3
    members = [new_training(drawn_architecture(first + n, outputs), n, 0.002 * (n + 1), task) for n in range(3)]
    twins = [new_training(drawn_architecture(first + n, outputs), n, 0.002 * (n + 1), task) for n in range(3)]
    together = list(zip(*train_together(members, 2), strict=True))
    for member, twin, epochs in zip(members, twins, together, strict=True):
        for here, there in zip(epochs, train_alone(twin, 2), strict=True):
            assert here.validation.loss == pytest.approx(there.validation.loss, rel=1e-3, abs=1e-4)
        assert_same_net(member, twin)


def test_all_kinds_of_units_train_side_by_side_as_they_would_alone():
    kinds = [
        msgspec.structs.replace(drawn_architecture(5), merge=merge, normalisation=normalisation)
        for merge in MERGES
        for normalisation in NORMALISATIONS
    ]
    members, twins = ([new_training(kind, seed) for seed, kind in enumerate(kinds)] for _ in range(2))
    list(train_together(members, 3))
    for member, twin in zip(members, twins, strict=True):
        train_alone(twin, 3)
        assert_same_net(member, twin)


def test_seed_repeats_of_one_network_train_as_they_would_alone():
    members, twins = ([new_training(drawn_architecture(5), seed) for seed in range(4)] for _ in range(2))
    list(train_together(members, 3))
    for member, twin in zip(members, twins, strict=True):
        train_alone(twin, 3)
        assert_same_net(member, twin)


def test_a_member_may_leave_the_population_and_go_on_alone():
    members, twins = ([new_training(drawn_architecture(5), seed) for seed in range(2)] for _ in range(2))
    list(train_together(members, 2))
    left = members[1]
    on_its_own = training.resume(
        left.architecture, left.recipe, labelled_fold(1), labelled_fold(2), "classification", state=training.state(left)
    )
    train_alone(on_its_own, 2)
    train_alone(twins[1], 4)
    assert_same_net(on_its_own, twins[1])


def test_paused_trainings_may_form_a_population():
    members, twins = ([new_training(drawn_architecture(seed), seed) for seed in range(2)] for _ in range(2))
    for member in members:
        train_alone(member, 2)
    list(train_together(members, 2))
    for member, twin in zip(members, twins, strict=True):
        train_alone(twin, 4)
        assert_same_net(member, twin)


def test_a_member_that_diverges_leaves_the_others_alone():
    members = [new_training(drawn_architecture(5), 0, rate=1e30), new_training(drawn_architecture(5), 1)]
    twin = new_training(drawn_architecture(5), 1)
    *_, last = train_together(members, 3)
    assert members[0].diverged
    assert last[0] is None
    train_alone(twin, 3)
    assert_same_net(members[1], twin)


def test_members_on_other_batch_sizes_are_refused():
    members = [new_training(drawn_architecture(5), 0), new_training(drawn_architecture(5), 1)]
    members[1].recipe = msgspec.structs.replace(members[1].recipe, batch_size=32)
    with pytest.raises(ValueError, match="batch size"):
        next(train_together(members, 1))


def test_repeats_report_each_seeds_accuracy_with_mean_and_spread():
    recipe = Recipe(learning_rate=0.01, weight_decay=0.01, batch_size=16, epochs=4, seed=0)
    repeats = repeat_over_seeds(
        drawn_architecture(5), recipe, labelled_fold(1), labelled_fold(2), "classification", range(3)
    )
    twins = [new_training(drawn_architecture(5), seed) for seed in range(3)]
    for twin in twins:
        twin.recipe = msgspec.structs.replace(twin.recipe, epochs=4)
        train_alone(twin, 4)
    assert repeats.accuracies == pytest.approx([twin.best_accuracy for twin in twins], abs=0.02)
    assert repeats.best_epochs == tuple(twin.best_epoch for twin in twins)
    assert repeats.epochs == np.median(repeats.best_epochs)
    assert repeats.mean == pytest.approx(np.mean(repeats.accuracies))
    assert repeats.spread == pytest.approx(np.std(repeats.accuracies, ddof=1))


def test_seeds_on_wide_rows_are_trained_one_by_one(monkeypatch):
    monkeypatch.setattr(population, "WIDEST_INPUTS", 5)
    net = msgspec.structs.replace(drawn_architecture(5), dropout=0.3)  # whose draws differ in a population
    twins = [new_training(net, seed) for seed in range(3)]
    repeats = repeat_over_seeds(net, twins[0].recipe, labelled_fold(1), labelled_fold(2), "classification", range(3))
    for twin in twins:
        list(twin)
    assert repeats.accuracies == tuple(twin.best_accuracy for twin in twins)
    assert repeats.best_epochs == tuple(twin.best_epoch for twin in twins)


def test_repeats_that_all_diverge_have_no_mean():
    recipe = Recipe(learning_rate=1e30, weight_decay=0.5, batch_size=16, epochs=2, seed=0)
    repeats = repeat_over_seeds(
        drawn_architecture(5), recipe, labelled_fold(1), labelled_fold(2), "classification", range(2)
    )
    assert (repeats.accuracies, repeats.diverged) == ((), 2)
    assert repeats.mean is None
    assert repeats.epochs is None
