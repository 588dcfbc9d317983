"""A training that is left and taken up again is the training that was never left."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cerebros.data.features import Fold
from cerebros.errors import ArtifactCorrupt, FailedPrecondition
from cerebros.nets import training
from cerebros.nets.model_file import weights_bytes
from cerebros.nets.space import cerebros_space
from cerebros.nets.training import EpochDone, Recipe, Trained, Training
from cerebros.nets.wiring import Architecture, wire

SPACE = cerebros_space(levels=3, units=3, neurons=16)
RECIPE = Recipe(learning_rate=0.02, weight_decay=1e-3, batch_size=16, epochs=6, seed=5)


def drawn_architecture(seed: int) -> Architecture:
    return wire(SPACE.draw(np.random.default_rng(seed)), 6, 3)


def labelled_rows(seed: int, n: int = 90) -> Fold:
    generator = np.random.default_rng(seed)
    inputs = generator.normal(size=(n, 6)).astype(np.float32)
    return Fold(inputs, (inputs[:, 0] > 0).astype(np.int64) + (inputs[:, 1] > 0.5))


def training_arguments(seed: int, recipe: Recipe = RECIPE, validation: Fold | None = None) -> tuple:
    return drawn_architecture(seed), recipe, labelled_rows(1), validation, "classification"


def train_to_the_end(under_way: Training) -> tuple[list[EpochDone], Trained]:
    *epochs, end = under_way
    assert isinstance(end, Trained)
    return epochs, end


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32), left_after=st.integers(0, 6), validated=st.booleans())
def test_a_training_left_after_any_epoch_goes_on_bit_for_bit(seed, left_after, validated):
    given_rows = training_arguments(seed, validation=labelled_rows(2) if validated else None)
    expected_revisions, expected = train_to_the_end(Training(*given_rows))
    left = Training(*given_rows)
    before = [epoch for _, epoch in zip(range(left_after), left, strict=False) if isinstance(epoch, EpochDone)]
    after, resumed = train_to_the_end(training.resume(*given_rows, state=training.state(left)))
    assert before + after == expected_revisions
    assert (resumed.best_epoch, resumed.epochs) == (expected.best_epoch, expected.epochs)
    assert weights_bytes(resumed.net) == weights_bytes(expected.net)


def test_a_state_of_another_recipe_is_refused():
    paused = Training(*training_arguments(0))
    other = msgspec.structs.replace(RECIPE, learning_rate=0.01)
    with pytest.raises(FailedPrecondition, match="another"):
        training.resume(*training_arguments(0, other), state=training.state(paused))


@pytest.mark.parametrize(
    "damage", [b"", b"not safetensors at all", training.state(Training(*training_arguments(0)))[:-9]]
)
def test_a_damaged_state_is_refused(damage):
    with pytest.raises(ArtifactCorrupt, match="unreadable"):
        training.resume(*training_arguments(0), state=damage)


def test_taking_a_state_changes_nothing():
    watched, alone = Training(*training_arguments(3)), Training(*training_arguments(3))
    for _ in zip(range(3), watched, strict=False):
        training.state(watched)
    for _ in zip(range(3), alone, strict=False):
        pass
    assert training.state(watched) == training.state(alone)
