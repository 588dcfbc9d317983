from concurrent.futures import ThreadPoolExecutor

import msgspec
import numpy as np
import pytest
from threadpoolctl import threadpool_info

from cerebros.errors import InvalidArgument
from cerebros.samplers import SAMPLERS, make_sampler
from cerebros.search.motpe import Motpe
from cerebros.search.observations import GOOD_AT_MOST, Observation, split_history
from cerebros.search.pareto import nondominated
from cerebros.search.sampler import RandomSampler
from cerebros.space.rose_tree import Choice, Float, Int, NodeType, Slot, Space, Tree, from_mapping, to_json, tree_hash

SPACE = Space(
    "root", {"root": NodeType({"x": Float(0.0, 1.0)}, (Slot("leaf", 1, 4),)), "leaf": NodeType({"y": Float(0.0, 1.0)})}
)


def two_losses(tree: Tree) -> tuple[float, float]:
    """The further the leaves are from 0.5 the worse; x trades the two losses off."""
    spread = float(np.mean([abs(leaf.p["y"] - 0.5) for leaf in tree.children("leaf")]))
    return float(tree.p["x"]) ** 2 + spread, (1 - float(tree.p["x"])) ** 2 + spread


def losses_of_search(sampler, n=60) -> list[tuple[float, float]]:
    found = []
    for _ in range(n):
        (tree,) = sampler.ask(1)
        found.append(two_losses(tree))
        sampler.tell(tree, found[-1])
    return found


def volume_of(found: list[tuple[float, float]], reference: float = 1.5) -> float:
    points = np.array(found)
    pareto_losses = points[nondominated(points)]
    pareto_losses = pareto_losses[pareto_losses[:, 0].argsort()]
    heights = np.concatenate([[reference], pareto_losses[:-1, 1]]) - pareto_losses[:, 1]
    return float(((reference - pareto_losses[:, 0]) * heights).sum())


def test_motpe_finds_more_hypervolume_than_random_search():
    ours = [volume_of(losses_of_search(Motpe(SPACE, seed), 40)) for seed in range(4)]
    random = [volume_of(losses_of_search(RandomSampler(SPACE, seed), 40)) for seed in range(4)]
    assert np.mean(ours) > np.mean(random)


def test_a_replayed_search_proposes_the_same_trees():
    assert losses_of_search(Motpe(SPACE, 3)) == losses_of_search(Motpe(SPACE, 3))


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_search_resumed_from_what_was_told_goes_on_the_same(name):
    """The first sampler dies after 20 trials; a second one is asked and told the same and then goes on."""
    first, second = (make_sampler(name, SPACE, 3, lambda _tree: True) for _ in range(2))
    for _ in range(20):
        (tree,) = first.ask(1)
        first.tell(tree, two_losses(tree))
        (again,) = second.ask(1)
        second.tell(from_mapping(msgspec.json.decode(to_json(again))), two_losses(tree))
    assert first.ask(4) == second.ask(4)


@pytest.mark.parametrize("name", ["rose", "rose-parzen", "random"])
def test_a_sampler_that_recalls_what_another_proposed_goes_on_the_same(name):
    """With trials pending and told out of order, bit by bit, and without proposing anything itself."""
    first, second = (make_sampler(name, SPACE, 3, lambda _tree: True) for _ in range(2))
    pending: list[Tree] = []
    for number in range(30):
        trees = first.ask(1 + number % 2)
        for tree in trees:
            second.recall(tree)
        pending += trees
        told = pending.pop(number % len(pending))
        for sampler in (first, second):
            sampler.tell(told, None if number % 7 == 3 else two_losses(told))
    assert first.ask(8) == second.ask(8)


def test_what_was_only_considered_leaves_no_trace():
    """Else the order of sums, and so the last bits of a score, would tell a recalled search from the first."""
    twigs = Space("root", {"root": NodeType({}, (Slot("twig", 1, 60),)), "twig": NodeType({"y": Float(0.0, 1.0)})})
    sampler, proposed = Motpe(twigs, 1), 0
    for _ in range(12):
        (tree,) = sampler.ask(1)
        sampler.tell(tree, [-float(len(tree.c))])
        proposed = max(proposed, len(tree.c))
        assert len(sampler._table.keys) == 1 + proposed


def trees_of_search(name: str, space: Space, loss, n: int = 16) -> list[Tree]:
    sampler, trees = make_sampler(name, space, 1, lambda _tree: True), []
    for _ in range(n):
        trees += (asked := sampler.ask(1))
        sampler.tell(asked[0], loss(asked[0]))
    return trees


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("losses", [(1.0,), (0.0, 0.0), (3.0, 1.0, 2.0), (1e300, -1e300)])
def test_a_search_with_constant_losses_goes_on(name, losses):
    assert len(trees_of_search(name, SPACE, lambda _tree: losses)) == 16


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_space_of_one_tree_is_proposed_again_and_again(name):
    lone = Space("a", {"a": NodeType({"x": Choice(("only",))}, (Slot("b", 0, 0),)), "b": NodeType()})
    assert set(map(tree_hash, trees_of_search(name, lone, lambda _tree: (1.0, 2.0)))) == {
        tree_hash(Tree("a", {"x": "only"}))
    }


@pytest.mark.parametrize("objectives", [1, 2, 3])
def test_any_number_of_objectives_is_searched(objectives):
    trees = trees_of_search("rose", SPACE, lambda tree: tuple(abs(tree.p["x"] - m / 2) for m in range(objectives)), 40)
    assert len(set(map(tree_hash, trees))) == 40


def test_limits_hold_for_every_proposal():
    sampler = make_sampler("rose", SPACE, 0, lambda tree: len(tree.c) <= 2)
    for _ in range(30):
        (tree,) = sampler.ask(1)
        assert len(tree.c) <= 2
        sampler.tell(tree, two_losses(tree))


def test_the_shortlist_is_proposed_first_and_in_order():
    first = [SPACE.draw(np.random.default_rng(seed)) for seed in range(3)]
    assert Motpe(SPACE, 0, first=first).ask(3) == first


def blas_threads() -> list[int]:
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_a_proposal_keeps_blas_to_one_thread_and_gives_the_others_back():
    seen, before = [], blas_threads()
    losses_of_search(Motpe(SPACE, 1, lambda _tree: seen.append(blas_threads()) or True), 12)
    assert {threads for asked in seen for threads in asked} == {1}
    assert blas_threads() == before


def test_a_batch_holds_different_trees():
    sampler = Motpe(SPACE, 0)
    losses_of_search(sampler, 20)
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
    with pytest.raises(InvalidArgument, match="finite"):
        sampler.tell(tree, (loss, 0.0))


def test_threads_that_propose_at_once_all_keep_blas_to_one_thread():
    """The first to leave must not lift the limit for the others."""
    seen, before = [], blas_threads()

    def propose(seed: int) -> None:
        losses_of_search(Motpe(SPACE, seed, lambda _tree: seen.append(blas_threads()) or True), 10 + 6 * seed)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(propose, range(4)))
    assert {count for asked in seen for count in asked} == {1}
    assert blas_threads() == before


@pytest.mark.parametrize("name", ["rose", "rose-parzen"])
def test_a_small_space_is_searched_whole_before_anything_is_repeated(name):
    small = Space("a", {"a": NodeType({"x": Choice(("b", "c", "d")), "n": Int(1, 4)})})
    trees = trees_of_search(name, small, lambda tree: (float(tree.p["n"]), float(-tree.p["n"])), 12)
    assert len(set(map(tree_hash, trees))) == 12


def test_a_tree_that_was_trained_on_counts_once():
    """Told after each of three rungs, it is one finished trial and at most one good tree, with its newest losses."""
    sampler = Motpe(SPACE, 0)
    trees = sampler.ask(7)
    for fidelity in (1 / 9, 1 / 3, 1.0):
        for place, tree in enumerate(trees):
            sampler.tell(tree, (1.0 - fidelity, place / 10 + fidelity), fidelity)
    assert sampler._finished == 7
    assert sorted(kept.losses for kept in sampler._pool) == [(0.0, place / 10 + 1.0) for place in range(7)]


def test_part_trainings_are_not_taken_for_whole_ones():
    """All trials near the optimum were left early, with losses far above the others'; yet it is where to look."""
    line = Space("a", {"a": NodeType({"x": Float(0.0, 1.0)})})

    def distance(fidelity: float) -> float:
        sampler = Motpe(line, 0)
        for x in np.linspace(0.0, 1.0, 40).tolist():
            near = abs(x - 0.7) < 0.1
            sampler.tell(Tree("a", {"x": x}), (abs(x - 0.7) + 2.0 * near,), fidelity if near else 1.0)
        return float(np.mean([abs(tree.p["x"] - 0.7) for tree in sampler.ask(4)]))

    assert distance(0.1) < 0.08 < distance(1.0)


def test_limits_that_hardly_any_draw_keeps_do_not_end_a_search_that_has_found_its_way():
    narrow = Space("a", {"a": NodeType({"x": Float(0.0, 1.0)})})
    first = [Tree("a", {"x": 0.5 + n * 1e-6}) for n in range(10)]
    sampler = Motpe(narrow, 0, lambda tree: abs(tree.p["x"] - 0.5) <= 1e-5, first=first)
    for tree in sampler.ask(10):
        sampler.tell(tree, (tree.p["x"],))
    for _ in range(5):
        (tree,) = sampler.ask(1)
        assert abs(tree.p["x"] - 0.5) <= 1e-5
        sampler.tell(tree, (tree.p["x"],))
