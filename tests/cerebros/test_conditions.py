"""Parameters that exist only where others have certain values."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cerebros.errors import SpaceRejected
from cerebros.nets.space import cerebros_space
from cerebros.optuna.trees import frozen_trial, tree_from
from cerebros.samplers import SAMPLERS, make_sampler
from cerebros.search.histogram import History
from cerebros.search.motpe import Motpe
from cerebros.search.parzen import TreeDensity
from cerebros.search.sampler import RandomSampler
from cerebros.search.site_table import SiteTable
from cerebros.space.edits import Edits, sites_of, tree_of
from cerebros.space.rose_tree import (
    Choice,
    Float,
    Int,
    NodeType,
    Ordered,
    Param,
    Slot,
    Space,
    Tree,
    Value,
    draw_uniform,
    from_mapping,
    to_json,
    tree_hash,
)
from cerebros.space.spaces import space_from_document

RULES: tuple[Param, ...] = (
    Float(0.1, 10.0, log=True),
    Int(1, 3),
    Int(1, 500, log=True),
    Ordered((16, 32, 64)),
    Choice(("a", "b", "c")),
    Choice((True, 1, "1")),
    Choice(("only",)),
)
seeds = st.integers(0, 2**32)


def values_of(rule: Param) -> list[Value]:
    """All of a listed rule's, the first ones of a range."""
    match rule:
        case Choice(values) | Ordered(values):
            return list(values)
        case Int(low, high):
            return list(range(low, min(high, low + 9) + 1))
    return []


@st.composite
def conditional_params(draw: st.DrawFn) -> dict[str, Param]:
    """Parameters of which each may wait for earlier ones, for values that never come too, in any order."""
    made: dict[str, Param] = {}
    for number in range(draw(st.integers(1, 5))):
        rule = draw(st.sampled_from(RULES))
        listed = [name for name, other in made.items() if values_of(other)]
        others = draw(st.lists(st.sampled_from(listed), max_size=2, unique=True)) if listed else []
        when = {
            other: tuple(draw(st.lists(st.sampled_from(values_of(made[other])), max_size=2, unique_by=repr)))
            for other in others
        }
        made[f"p{number}"] = msgspec.structs.replace(rule, when=when)
    return {name: made[name] for name in draw(st.permutations(list(made)))}


@st.composite
def conditional_spaces(draw: st.DrawFn) -> Space:
    return Space(
        "net",
        {
            "net": NodeType(draw(conditional_params()), (Slot("cell", 0, 3),)),
            "cell": NodeType(draw(conditional_params())),
        },
    )


BRANCHES = Space(
    "net",
    {
        "net": NodeType(
            {
                "kernel": Int(1, 3, when={"op": ("conv",)}),
                "op": Choice(("conv", "pool", "none")),
                "stride": Ordered((1, 2), when={"kernel": (2, 3)}),
                "size": Int(2, 3, when={"op": ("pool",)}),
                "ghost": Choice((1, 2), when={"op": ("none",), "kernel": (1,)}),
            },
            (Slot("cell", 0, 1),),
        ),
        "cell": NodeType({"on": Choice((True, 1)), "n": Int(1, 2, when={"on": (True,)})}),
    },
)


def every_tree(space: Space) -> list[Tree]:
    """All trees of a space of few values, each once: a script of decisions grows one, and tells of the others."""
    found, scripts = [], [()]
    while scripts:
        script, ways = scripts.pop(), []

        def decide(_key: str, rule: Param, _position: tuple[int, ...], script=script, ways=ways) -> Value:
            values = values_of(rule)
            ways.append(len(values))
            return values[script[len(ways) - 1] if len(ways) <= len(script) else 0]

        found.append(space.grow(decide))
        for place in range(len(script), len(ways)):
            scripts += [(*script, *[0] * (place - len(script)), way) for way in range(1, ways[place])]
    return found


def drawn_tree(space: Space, seed: int) -> Tree:
    return space.draw(np.random.default_rng(seed))


def test_a_parameter_exists_only_where_its_condition_holds():
    trees = every_tree(BRANCHES)
    nets = {tuple(sorted(tree.p.items(), key=str)) for tree in trees}
    assert {frozenset(dict(net)) for net in nets} == {
        frozenset({"op"}),
        frozenset({"op", "size"}),
        frozenset({"op", "kernel"}),
        frozenset({"op", "kernel", "stride"}),
    }
    assert len({tree_hash(tree) for tree in trees}) == len(trees) == (1 + 2 + 1 + 2 * 2) * (1 + 3)
    assert all(BRANCHES.holds(tree) for tree in trees)
    assert {child.p["n"] for tree in trees for child in tree.c if child.p["on"] is True} == {1, 2}
    assert not any("n" in child.p for tree in trees for child in tree.c if child.p["on"] is not True)


@pytest.mark.parametrize("p", [{"op": "none", "kernel": 1}, {"op": "conv"}, {"op": "conv", "kernel": 2}, {"kernel": 1}])
def test_a_tree_with_a_parameter_too_many_or_too_few_is_refused(p):
    with pytest.raises(SpaceRejected, match="such a node has"):
        list(BRANCHES.decisions(Tree("net", p)))


@given(conditional_spaces(), seeds)
def test_a_drawn_tree_belongs_to_its_space_and_survives_json(space, seed):
    tree = drawn_tree(space, seed)
    again = from_mapping(msgspec.json.decode(to_json(tree)))
    assert space.holds(tree)
    assert again == tree
    assert tree_hash(again) == tree_hash(tree)


@given(conditional_spaces(), seeds)
def test_a_tree_is_its_sites_and_its_decisions_grow_it_again(space, seed):
    tree = drawn_tree(space, seed)
    values = iter([decision.value for decision in space.decisions(tree)])
    assert tree_of(space, sites_of(space, tree)) == tree
    assert space.grow(lambda _key, _rule, _position: next(values)) == tree


@given(conditional_spaces())
def test_a_space_survives_json_in_any_order_of_its_keys(space):
    plain = msgspec.json.encode(space)
    assert space_from_document(msgspec.json.decode(plain)) == space
    assert space_from_document(msgspec.json.decode(msgspec.json.encode(space, order="sorted"))) == space
    # What waits comes after what it waits for, so that a walk can decide it.
    for node in space.types.values():
        names = list(node.params)
        for name, rule in node.params.items():
            assert all(names.index(other) < names.index(name) for other in rule.when)


def test_parameters_without_conditions_stay_in_their_order():
    """Else the same seed would draw other trees than it did before there were conditions."""
    space = cerebros_space()
    assert list(space.types["network"].params)[:3] == ["learning_rate", "batch_size", "weight_decay"]
    many = {f"p{n * 37 % 100}": Int(0, n) for n in range(100)}
    assert list(Space("a", {"a": NodeType(many)}).types["a"].params) == list(many)
    assert b"when" not in msgspec.json.encode(space)


@settings(max_examples=300)
@given(conditional_spaces(), seeds)
def test_every_edited_tree_belongs_to_its_space(space, seed):
    generator = np.random.default_rng(seed)
    sites, donor = (sites_of(space, space.draw(generator)) for _ in range(2))
    edits = Edits(space, SiteTable(space).scales)
    for edited in (
        edits.redraw(sites, generator),
        edits.redraw_siblings(sites, generator),
        edits.change_children(sites, generator),
        edits.graft(sites, donor, generator),
    ):
        whole = edits.complete(edited, lambda _key, rule, _position: draw_uniform(rule, generator))
        assert sites_of(space, tree_of(space, whole)) == whole
    nudged = sites | edits.nudge(sites, 0.3, generator)
    assert sites_of(space, tree_of(space, nudged)) == nudged


def test_changing_what_others_wait_for_drops_and_draws_them():
    sites = sites_of(BRANCHES, Tree("net", {"op": "conv", "kernel": 3, "stride": 2}))
    edits = Edits(BRANCHES, SiteTable(BRANCHES).scales)
    whole = edits.complete(sites | {("net.op", ()): "pool"}, lambda key, _rule, _position: {"net.size": 3}[key])
    assert tree_of(BRANCHES, whole) == Tree("net", {"op": "pool", "size": 3})
    assert all(("net.op", ()) not in edits.nudge(sites, 0.5, np.random.default_rng(seed)) for seed in range(50))


@settings(max_examples=30)
@given(st.integers(0, 30), seeds)
def test_densities_of_all_trees_add_up_to_one(n, seed):
    generator, table = np.random.default_rng(seed), SiteTable(BRANCHES)
    seen = [sites_of(BRANCHES, BRANCHES.draw(generator)) for _ in range(n)]
    density, history = TreeDensity(table, seen[: n // 3]), History(table)
    for number, sites in enumerate(seen):
        history.add(sites, number)
    rows = table.rows([sites_of(BRANCHES, tree) for tree in every_tree(BRANCHES)])
    assert np.exp(density.log_densities(rows)).sum() == pytest.approx(1.0)
    assert np.exp(history.log_densities(rows)).sum() == pytest.approx(1.0)


def test_a_condition_that_never_holds_leaves_its_parameter_out():
    space = Space("a", {"a": NodeType({"x": Float(0.0, 1.0), "y": Int(1, 2), "z": Float(0.0, 1.0, when={"y": ()})})})
    sampler = Motpe(space, 0)
    for _ in range(12):
        (tree,) = sampler.ask(1)
        assert set(tree.p) == {"x", "y"}
        sampler.tell(tree, (float(tree.p["x"]),))


CONV_OR_POOL = {"op": Choice(("conv", "pool"))}


@pytest.mark.parametrize(
    ("params", "rule"),
    [
        ({"k": Int(1, 7, when={"op": ("conv",)})}, "'op', which its type does not have; it has k"),
        (CONV_OR_POOL | {"k": Int(1, 7, when={"op": ("attention",)})}, "'attention', which it never is"),
        (CONV_OR_POOL | {"k": Int(1, 7, when={"op": (1,)})}, "to be 1, which it never is"),
        ({"on": Choice((True, False)), "k": Int(1, 7, when={"on": (1,)})}, "to be 1, which it never is"),
        ({"n": Int(1, 3), "k": Int(1, 7, when={"n": (4,)})}, "to be 4, which it never is"),
        ({"x": Float(0.0, 1.0), "k": Int(1, 7, when={"x": (0.5,)})}, "'x', a real number; wait for a choice"),
        ({"k": Int(1, 7, when={"k": (1,)})}, "wait for each other .k → k."),
        ({"a": Int(1, 2, when={"b": (1,)}), "b": Int(1, 2, when={"a": (1,)})}, "wait for each other"),
    ],
)
def test_a_condition_that_cannot_be_decided_is_refused(params, rule):
    with pytest.raises(SpaceRejected, match=rule):
        Space("net", {"net": NodeType(params)})


def test_long_lists_in_conditions_are_read_in_time():
    for many in (Choice(tuple(map(str, range(50_000)))), Ordered(tuple(range(50_000)))):
        wanted = many.options if isinstance(many, Choice) else many.values
        Space("a", {"a": NodeType({"x": many, "y": Int(1, 2, when={"x": wanted})})})


def test_long_chains_and_circles_of_conditions_are_read_in_time():
    chain = {f"p{n}": Int(1, 2, when={f"p{n - 1}": (1,)} if n else {}) for n in reversed(range(20_000))}
    assert [*Space("a", {"a": NodeType(chain)}).types["a"].params][:2] == ["p0", "p1"]
    with pytest.raises(SpaceRejected, match="wait for each other"):
        Space("a", {"a": NodeType(chain | {"p0": Int(1, 2, when={"p19999": (1,)})})})


def test_numbers_of_a_condition_are_numbers_and_true_is_not_one():
    space = Space(
        "a",
        {
            "a": NodeType(
                {
                    "width": Ordered((16, 32)),
                    "on": Choice((True, 1)),
                    "wide": Int(1, 2, when={"width": (32.0,)}),
                    "sure": Int(1, 2, when={"on": (True,)}),
                }
            )
        },
    )
    assert space.holds(Tree("a", {"width": 32, "on": 1, "wide": 1}))
    assert space.holds(Tree("a", {"width": 16, "on": True, "sure": 1}))


BETTER = Space(
    "net",
    {
        "net": NodeType(
            {
                "op": Choice(("conv", "pool", "attention", "none")),
                "kernel": Float(0.0, 1.0, when={"op": ("conv",)}),
                "size": Float(0.0, 1.0, when={"op": ("pool",)}),
                "heads": Float(0.0, 1.0, when={"op": ("attention",)}),
                "gate": Choice((True, False), when={"op": ("attention",)}),
                "rate": Float(0.0, 1.0, when={"gate": (True,)}),
            }
        )
    },
)


def branch_loss(tree: Tree) -> float:
    """Gated attention with the right rate and heads is best, and a wrong rate is worse than the other branches."""
    match tree.p:
        case {"heads": heads, "rate": rate}:
            return abs(heads - 0.3) + abs(rate - 0.7)
        case {"kernel": x} | {"size": x}:
            return 0.5 + abs(x - 0.5)
    return 0.9


def branches_of(sampler: Motpe | RandomSampler) -> list[bool]:
    """Of 40 trials, which were in the better branch."""
    found = []
    for _ in range(40):
        (tree,) = sampler.ask(1)
        assert BETTER.holds(tree)
        found.append("rate" in tree.p)
        sampler.tell(tree, (branch_loss(tree),))
    return found


@pytest.mark.parametrize("screened", [True, False])
def test_a_search_goes_to_the_better_branch_more_often_than_at_random(screened):
    ours = [branches_of(Motpe(BETTER, seed, screened=screened)) for seed in range(4)]
    random = [branches_of(RandomSampler(BETTER, seed)) for seed in range(4)]
    assert np.sum(ours) > 2 * np.sum(random)


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_proposes_valid_trees_and_resumes_the_same(name):
    first, second = (make_sampler(name, BRANCHES, 3) for _ in range(2))
    for _ in range(16):
        (tree,), again = first.ask(1), second.ask(1)
        assert BRANCHES.holds(tree)
        assert again == [tree]
        for sampler in (first, second):
            sampler.tell(tree, (float(len(tree.p)), float(len(tree.c))))


@given(conditional_spaces(), seeds)
def test_a_conditional_tree_survives_as_parameters_of_an_optuna_trial(space, seed):
    tree = drawn_tree(space, seed)
    assert tree_from(space, frozen_trial(space, tree, None)) == tree
