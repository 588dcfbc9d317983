"""A place in a tree, from which the tree is walked and changed: a zipper.

    place_of(tree, "network/level/unit.neurons", (1, 0)).insert_right(unit).tree()

A zipper is a node in focus and the way that led there. Every move and every
change is a new zipper. A change makes new nodes on the way to the root; all
others of the new tree are the very objects of the old one.

Source: Huet 1997, The Zipper.
"""

from __future__ import annotations

import re

import msgspec

from cerebros.space.rose_tree import Tree


class Zipper(msgspec.Struct, frozen=True):
    """A node of a tree.

    Attributes:
        focus: the node, with everything below it.
        above: its parent's place; None at the root.
        index: its place among its parent's children.

    Raises:
        IndexError: by a move to a node that is not there; the root has no siblings and cannot be deleted.
    """

    focus: Tree
    above: Zipper | None = None
    index: int = 0

    def down(self, index: int = 0) -> Zipper:
        """The child with this index."""
        if not 0 <= index < len(self.focus.c):
            raise IndexError(f"{self.focus.t!r} has {len(self.focus.c)} children and none with index {index}")
        return Zipper(self.focus.c[index], self, index)

    def up(self) -> Zipper:
        """The parent, which holds what became of this node."""
        above = self._parent()
        siblings = above.focus.c
        if siblings[self.index] is self.focus:
            return above
        return above._with_children((*siblings[: self.index], self.focus, *siblings[self.index + 1 :]))

    def left(self) -> Zipper:
        return self.up().down(self.index - 1)

    def right(self) -> Zipper:
        return self.up().down(self.index + 1)

    def tree(self) -> Tree:
        """The whole tree."""
        place = self
        while place.above is not None:
            place = place.up()
        return place.focus

    def replace(self, node: Tree) -> Zipper:
        """Another node in this place."""
        return msgspec.structs.replace(self, focus=node)

    def insert_below(self, index: int, node: Tree) -> Zipper:
        """A node among the children, before the one that has this index now; the focus stays here."""
        children = self.focus.c
        if not 0 <= index <= len(children):
            raise IndexError(f"{self.focus.t!r} has {len(children)} children and no place {index} among them")
        return self._with_children((*children[:index], node, *children[index:]))

    def insert_left(self, node: Tree) -> Zipper:
        """A node right before this one, which stays in focus."""
        return self.up().insert_below(self.index, node).down(self.index + 1)

    def insert_right(self, node: Tree) -> Zipper:
        """A node right behind this one, which stays in focus."""
        return self.up().insert_below(self.index + 1, node).down(self.index)

    def delete(self) -> Zipper:
        """The parent without this node."""
        above = self._parent()
        return above._with_children(above.focus.c[: self.index] + above.focus.c[self.index + 1 :])

    def _parent(self) -> Zipper:
        if self.above is None:
            raise IndexError(f"{self.focus.t!r} is the root: it has no parent and no siblings")
        return self.above

    def _with_children(self, children: tuple[Tree, ...]) -> Zipper:
        return self.replace(msgspec.structs.replace(self.focus, c=children))


def place_of(tree: Tree, key: str, position: tuple[int, ...]) -> Zipper:
    """The node that a decision belongs to: `network/level/unit.neurons` at (1, 0) is a unit of the second level.

    Raises:
        IndexError: the tree has no such node.
    """
    place = Zipper(tree)
    node, *_ = re.split(r"[.#]", key)
    for node_type, number in zip(node.split("/")[1:], position, strict=True):
        places = [index for index, child in enumerate(place.focus.c) if child.t == node_type]
        if number >= len(places):
            raise IndexError(f"{place.focus.t!r} has {len(places)} {node_type!r} children, none numbered {number}")
        place = place.down(places[number])
    return place
