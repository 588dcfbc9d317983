import msgspec
import numpy as np
import pytest

from cerebros.errors import SpaceRejected
from cerebros.nets.space import cerebros_space
from cerebros.space.rose_tree import Choice, Float, Int, Ordered
from cerebros.space.spaces import space_from_document


def params_of_space(document: object) -> dict:
    space = space_from_document(document)
    assert space.holds(space.draw(np.random.default_rng(0)))
    return space.types[space.root].params


def test_a_space_survives_the_way_through_json():
    space = cerebros_space()
    assert space_from_document(msgspec.json.decode(msgspec.json.encode(space))) == space


def test_the_spaces_of_propose_are_read():
    assert params_of_space({"a": {"choice": ["x", 1]}, "b": {"uniform": [0, 1]}, "c": {"loguniform": [1e-4, 0.1]}}) == {
        "a": Choice(("x", 1)),
        "b": Float(0.0, 1.0),
        "c": Float(1e-4, 0.1, log=True),
    }


def test_a_tpe_parameter_list_is_read():
    assert params_of_space(
        [
            {"name": "lr", "type": "float", "low": 1e-5, "high": 0.1, "log": True},
            {"name": "units", "type": "int", "low": 16, "high": 64, "step": 16},
            {"name": "drop", "type": "float", "low": 0.0, "high": 0.3, "step": 0.1, "choices": None},
            {"name": "depth", "type": "int", "low": 1, "high": 4, "step": 1},
            {"name": "act", "type": "categorical", "choices": ["relu", "gelu"]},
        ]
    ) == {
        "lr": Float(1e-5, 0.1, log=True),
        "units": Ordered((16, 32, 48, 64)),
        "drop": Ordered((0.0, 0.1, 0.2, 0.1 * 3)),
        "depth": Int(1, 4),
        "act": Choice(("relu", "gelu")),
    }


def test_the_parameters_of_a_run_specification_are_read():
    assert params_of_space(
        {"a": {"type": "float", "min": 0, "max": 1, "default": 0.5}, "b": {"type": "choice", "values": [1, 2]}}
    ) == {"a": Float(0.0, 1.0), "b": Choice((1, 2))}


def test_ranges_choices_and_fixed_values_are_told_apart():
    assert params_of_space(
        {
            "levels": (1, 4),
            "p": [0.12, 0.35],
            "act": ["relu", "gelu"],
            "gate": True,
            "two": [2, 1],
            "on": [False, True],
        }
    ) == {
        "levels": Int(1, 4),
        "p": Float(0.12, 0.35),
        "act": Choice(("relu", "gelu")),
        "gate": Choice((True,)),
        "two": Choice((2, 1)),
        "on": Choice((False, True)),
    }


CONDITIONAL = {
    "op": Choice(("conv", "pool")),
    "kernel": Int(1, 7, when={"op": ("conv",)}),
    "size": Float(0.0, 1.0, when={"op": ("pool",)}),
}


@pytest.mark.parametrize(
    "document",
    [
        {
            "kernel": {"int": [1, 7], "when": {"op": ["conv"]}},
            "size": {"uniform": (0, 1), "when": {"op": ("pool",)}},
            "op": ["conv", "pool"],
        },
        {
            "kernel": {"type": "int", "min": 1, "max": 7, "when": {"op": ["conv"]}},
            "size": {"type": "float", "low": 0, "high": 1, "when": {"op": ["pool"]}},
            "op": {"choice": ["conv", "pool"]},
        },
        [
            {"name": "kernel", "type": "int", "low": 1, "high": 7, "when": {"op": ["conv"]}},
            {"name": "size", "type": "float", "low": 0, "high": 1, "when": {"op": ["pool"]}},
            {"name": "op", "type": "categorical", "choices": ["conv", "pool"]},
        ],
    ],
    ids=["propose", "parameters of a spec", "TPE list"],
)
def test_every_form_can_say_when_a_parameter_exists(document):
    assert params_of_space(document) == CONDITIONAL
    if isinstance(document, list):
        assert params_of_space({"parameters": document}) == CONDITIONAL


def test_a_parameter_may_be_called_parameters():
    assert params_of_space({"parameters": ["a", "b"]}) == {"parameters": Choice(("a", "b"))}
    assert params_of_space({"parameters": [1, 4]}) == {"parameters": Int(1, 4)}


@pytest.mark.parametrize(
    ("document", "rule"),
    [
        ({}, "no parameters"),
        ([], "no parameters"),
        (None, "no parameters"),
        ("lr", "no parameters"),
        ({"lr": []}, "not readable"),
        ({"lr": {"choice": []}}, "not readable"),
        ({"lr": {"uniform": [1, 0]}}, "not above high"),
        ({"lr": {"uniform": [0]}}, "not readable"),
        ({"lr": {"loguniform": [0, 1]}}, "log scale"),
        ({"lr": {"uniform": [0, float("inf")]}}, "finite"),
        ({"lr": {"normal": [0, 1]}}, "not readable"),
        ([{"name": "a", "type": "float", "low": 0, "high": 1}] * 2, "name of its own"),
        ([{"name": "a", "type": "float", "low": 0}], "both low and high"),
        ([{"name": "a", "type": "int", "low": 0.5, "high": 2}], "whole"),
        ([{"name": "a", "type": "float", "low": 1, "high": 9, "log": True, "step": 1}], "leave one out"),
        ([{"name": "a", "type": "float", "low": 0, "high": 1, "step": 1e-9}], "above 10000"),
        ([{"name": "a", "type": "categorical"}], "choice of nothing"),
        ({"parameters": [{"name": "a", "type": "categorical"}]}, "choice of nothing"),
        ({"parameters": [{"type": "float", "low": 0, "high": 1}]}, "name of its own"),
        ({"op": ["a", "b"], "k": {"int": [1, 2], "when": {"op": "a"}}}, "Expected `array`"),
        ({"op": ["a", "b"], "k": {"int": [1, 2], "when": ["op"]}}, "Expected `object`"),
        ({"op": ["a", "b"], "k": {"when": {"op": ["a"]}}}, "missing required field `type`"),
        ({"k": {"int": [1, 2.5]}}, "Expected `int`"),
        ({"k": {"int": [1, 2], "when": {"op": ["a"]}}}, "does not have"),
        ([{"name": "k", "type": "int", "low": 1, "high": 2, "when": {"op": ["a"]}}], "does not have"),
        (
            {"root": "a", "types": {"a": {"slots": [{"type": "b", "min": 0, "max": 10**400}]}, "b": {}}},
            "not readable",
        ),
        ({"root": "a", "types": {}}, "not defined"),
        ({"root": "a", "types": {"a": {"params": {"x": {"type": "complex"}}}}}, "not readable"),
    ],
)
def test_a_document_that_describes_no_space_is_refused(document, rule):
    with pytest.raises(SpaceRejected, match=rule):
        space_from_document(document)
