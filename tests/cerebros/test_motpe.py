import numpy as np
import pytest

from cerebros.motpe import GOOD_AT_MOST, Motpe, Observation, RandomSampler, split_history
from cerebros.pareto import nondominated
from cerebros.rose_tree import Float, NodeType, Slot, Space, Tree, tree_hash

SPACE = Space(
    "root", {"root": NodeType({"x": Float(0.0, 1.0)}, (Slot("leaf", 1, 4),)), "leaf": NodeType({"y": Float(0.0, 1.0)})}
)


def two_losses(tree: Tree) -> tuple[float, float]:
    """The further the leaves are from 0.5 the worse; x trades the two losses off."""
    spread = float(np.mean([abs(leaf.p["y"] - 0.5) for leaf in tree.c]))
    return float(tree.p["x"]) ** 2 + spread, (1 - float(tree.p["x"])) ** 2 + spread


def searched(sampler, n=60) -> list[tuple[float, float]]:
    found = []
    for _ in range(n):
        (tree,) = sampler.ask(1)
        found.append(two_losses(tree))
        sampler.tell(tree, found[-1])
    return found


def hypervolume(found: list[tuple[float, float]], reference: float = 1.5) -> float:
    points = np.array(found)
    front = points[nondominated(points)]
    front = front[front[:, 0].argsort()]
    heights = np.concatenate([[reference], front[:-1, 1]]) - front[:, 1]
    return float(((reference - front[:, 0]) * heights).sum())


def test_motpe_finds_more_hypervolume_than_random_search():
    ours = [hypervolume(searched(Motpe(SPACE, seed))) for seed in range(8)]
    random = [hypervolume(searched(RandomSampler(SPACE, seed))) for seed in range(8)]
    assert np.mean(ours) > np.mean(random)


def test_a_replayed_search_proposes_the_same_trees():
    assert searched(Motpe(SPACE, 3)) == searched(Motpe(SPACE, 3))


def test_the_shortlist_is_proposed_first_and_in_order():
    first = [SPACE.draw(np.random.default_rng(seed)) for seed in range(3)]
    assert Motpe(SPACE, 0, first=first).ask(3) == first


def test_a_batch_holds_different_trees():
    sampler = Motpe(SPACE, 0)
    searched(sampler, 20)
    assert len({tree_hash(tree) for tree in sampler.ask(8)}) == 8


def test_trees_without_figures_are_never_good():
    trees = [SPACE.draw(np.random.default_rng(seed)) for seed in range(10)]
    good, rest = split_history([Observation(tree, None if n % 2 else (float(n),)) for n, tree in enumerate(trees)])
    assert good == [trees[0], trees[2]]
    assert len(rest) == 8


def test_the_good_set_stays_bounded():
    trees = [SPACE.draw(np.random.default_rng(seed)) for seed in range(400)]
    good, _ = split_history([Observation(tree, (float(n),)) for n, tree in enumerate(trees)])
    assert len(good) == GOOD_AT_MOST


def test_a_search_in_which_everything_fails_goes_on():
    sampler = Motpe(SPACE, 0)
    for _ in range(20):
        (tree,) = sampler.ask(1)
        sampler.tell(tree, None)
    assert len(sampler.ask(2)) == 2


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_is_refused(loss):
    sampler = Motpe(SPACE, 0)
    (tree,) = sampler.ask(1)
    with pytest.raises(ValueError, match="finite"):
        sampler.tell(tree, (loss, 0.0))
