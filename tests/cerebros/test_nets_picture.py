"""The picture of a network shows the network."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cerebros.nets.picture import svg
from cerebros.nets.space import cerebros_space
from cerebros.nets.wiring import wire

PICTURE = Path(__file__).parents[2] / "docs/pictures/network.svg"
SVG = "{http://www.w3.org/2000/svg}"


@given(st.integers(0, 2**32))
def test_every_unit_and_every_link_is_drawn_inside_the_frame(seed):
    network = wire(cerebros_space().draw(np.random.default_rng(seed)), 6, 3)
    drawn = ElementTree.fromstring(svg(network))
    links = sum(len(unit.predecessors) + len(unit.laterals) for unit in network.units) + len(network.output_reads)
    assert len(drawn.findall(f"{SVG}circle")) == len(network.units) + 2
    assert len(drawn.findall(f"{SVG}path")) == links
    width, height = (float(drawn.attrib[side]) for side in ("width", "height"))
    for circle in drawn.findall(f"{SVG}circle"):
        assert 0 < float(circle.attrib["cx"]) < width
        assert 0 < float(circle.attrib["cy"]) < height


def test_the_picture_in_the_documents_is_what_the_code_draws():
    tree = cerebros_space(levels=3, units=4, neurons=64).draw(np.random.default_rng(649))
    assert PICTURE.read_text() == svg(wire(tree, 64, 10))
