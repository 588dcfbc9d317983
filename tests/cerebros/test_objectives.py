from pathlib import Path

import numpy as np
import pytest

from cerebros.errors import InvalidArgument
from cerebros.samplers import make_sampler
from cerebros.search.motpe import Motpe
from cerebros.search.objectives import objective_set
from cerebros.search.targets import Targets
from cerebros.space.rose_tree import Choice, Float, NodeType, Space, Tree

SHIPPED = sorted((Path(__file__).parents[2] / "priv/objectives").glob("*.toml"))
LINE = Space("a", {"a": NodeType({"x": Float(0.0, 1.0), "y": Float(0.0, 1.0)})})


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_a_shipped_set_is_named_as_its_file_and_tells_its_trade_off(file):
    found = objective_set(file.read_text())
    assert found.name == file.stem
    assert len(found.trade_off.split()) > 20
    assert len(found.targets().at_most) == len(found.names)


def test_limits_of_a_set_become_limits_on_losses():
    goals = '{name="accuracy", at_least=0.8}, {name="cost", reference=2.0}'
    text = f'name="n"\ntrade_off=""\nobjectives=[{goals}]'
    assert objective_set(text).targets() == Targets(at_most=(-0.8, None), reference=(None, 2.0))


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("name =", "not a set"),
        ('name = "a"', "trade_off"),
        ('name="a"\ntrade_off=""\nobjectives=[]', "no objectives"),
        ('name="a"\ntrade_off=""\nobjectives=[{name="speed"}]', "unknown"),
        ('name="a"\ntrade_off=""\nobjectives=[{name="cost"},{name="cost"}]', "twice"),
        ('name="a"\ntrade_off=""\nobjectives=[{name="accuracy", at_most=0.5}]', "good side"),
        ('name="a"\ntrade_off=""\nobjectives=[{name="cost", at_most=inf}]', "no model reaches that"),
        ('name="a"\ntrade_off=""\nobjectives=[{name="accuracy", at_least=nan}]', "finite number, 1 at most"),
        ('name="a"\ntrade_off=""\nobjectives=[{name="accuracy", at_least=1.01}]', "no model reaches that"),
        ('name="a"\ntrade_off=""\nobjectives=[{name="latency", at_most=-1e-9}]', "finite number, 0 at least"),
        ('name="a"\ntrade_off=""\nobjectives=[{name="latency", reference=-inf}]', "finite number, 0 at least"),
    ],
)
def test_a_set_that_breaks_a_rule_is_refused(text, rule):
    with pytest.raises(InvalidArgument, match=rule):
        objective_set(text).targets()


def two_losses(tree: Tree) -> tuple[float, float]:
    """The Pareto front runs from (0, 1) to (1, 0); y only makes things worse."""
    x, y = float(tree.p["x"]), float(tree.p["y"])
    return x + y, 1 - x + y


def losses_of_search(sampler, n: int = 40) -> np.ndarray:
    found = []
    for _ in range(n):
        (tree,) = sampler.ask(1)
        found.append(two_losses(tree))
        sampler.tell(tree, found[-1])
    return np.array(found)


def test_a_hard_limit_draws_the_search_within_it():
    limited = losses_of_search(Motpe(LINE, 0, targets=Targets(at_most=(0.2, None))))[20:]
    free = losses_of_search(Motpe(LINE, 0))[20:]
    assert (limited[:, 0] <= 0.2).mean() > max(0.4, (free[:, 0] <= 0.2).mean())


def test_a_limit_that_nothing_meets_still_draws_the_search_towards_it():
    found = losses_of_search(Motpe(LINE, 0, targets=Targets(at_most=(-1.0, None))))
    assert found[30:, 0].mean() < 0.2


def test_nothing_beyond_the_reference_is_worth_searching():
    found = losses_of_search(Motpe(LINE, 0, targets=Targets(reference=(0.3, 1.5))))
    assert np.median(found[20:, 0]) < 0.35


def test_a_loss_known_from_the_tree_is_not_predicted():
    """The known loss is noise in the tree's digits, which no model predicts; the search uses it all the same."""

    def noise(tree: Tree) -> float:
        return (float(tree.p["y"]) * 1e4) % 1.0

    def best(targets: Targets) -> float:
        sampler, found = Motpe(LINE, 1, targets=targets), []
        for _ in range(30):
            (tree,) = sampler.ask(1)
            found.append(noise(tree))
            sampler.tell(tree, (found[-1], 0.0))
        return float(np.mean(found[10:]))

    assert best(Targets(known=lambda tree: (noise(tree), None))) < 0.1 < best(Targets())


@pytest.mark.parametrize("name", ["rose", "optuna-motpe"])
def test_as_many_losses_as_limits_are_told(name):
    sampler = make_sampler(name, LINE, 0, targets=Targets(at_most=(0.5, None)))
    with pytest.raises(InvalidArgument, match="2 places"):
        sampler.tell(sampler.ask(1)[0], (1.0, 2.0, 3.0))


def test_the_number_of_losses_stays():
    sampler = Motpe(LINE, 0)
    first, second = sampler.ask(2)
    sampler.tell(first, (1.0, 2.0))
    with pytest.raises(InvalidArgument, match="number must stay"):
        sampler.tell(second, (1.0,))


def test_an_option_of_another_type_is_no_member():
    space = Space("a", {"a": NodeType({"x": Choice((True, "a"))})})
    assert space.holds(Tree("a", {"x": True}))
    assert not space.holds(Tree("a", {"x": 1}))


def test_an_unknown_sampler_is_refused_with_the_known_ones():
    with pytest.raises(InvalidArgument, match="choose from rose"):
        make_sampler("grid", LINE, 0)


def test_a_callers_limits_replace_those_of_a_set_on_the_side_the_direction_gives():
    edge = objective_set((SHIPPED[0].parent / "edge.toml").read_text())
    limited = edge.limited({"latency": 0.5, "accuracy": 0.9})
    assert limited.targets().at_most == (-0.9, 0.5)
    with pytest.raises(InvalidArgument, match=r"'energy', which is not searched for; .*accuracy, latency"):
        edge.limited({"energy": 1.0})
