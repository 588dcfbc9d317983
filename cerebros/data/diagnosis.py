"""Likely causes of what is wrong with a dataset's columns, in words that name the next move."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from cerebros.data.cells import is_number
from cerebros.data.dataset import CLASSES_AT_MOST, Column, Table, class_names, classes_of, feature_names
from cerebros.data.manifest import Manifest
from cerebros.data.quoting import SHOWN_NAMES, listed, near, quoted, toml_list

_DAY = r"\d{1,2}(st|nd|rd|th)?"
_MONTH = (
    r"(jan(uary)?|feb(ruary)?|mar(ch)?|apr(il)?|may|june?|july?|aug(ust)?|sep(t(ember)?)?|oct(ober)?|nov(ember)?"
    r"|dec(ember)?)[.]?"
)
_DATES = re.compile(
    rf"""
    \d{{4}}-\d{{1,2}} (-\d{{1,2}} ([T ].*)?)?
    | \d{{4}}[/.]\d{{1,2}}[/.]\d{{1,2}} ([ ].*)?
    | \d{{1,2}}[./-]\d{{1,2}}[./-]\d{{2,4}} ([ ].*)?
    | \d{{8}}T\d{{4,6}} ([.]\d+)? (Z|[+-]\d{{2}}:?\d{{2}})?
    | \d{{4}}-? (W\d{{2}} (-?\d)? | Q[1-4])
    | \d{{1,2}}:\d{{2}} (:\d{{2}} ([.]\d+)?)? ([ ]?[ap][.]?m[.]?)?
    | ([a-z]+,?[ ]+)? ({_DAY}[- ./]+{_MONTH} | {_MONTH}[- ./]+{_DAY} | {_MONTH}) [- ,./]+ \d{{2,4}} ([T ,].*)?
    """,
    re.IGNORECASE | re.VERBOSE,
)

# Kinds of columns that should hold numbers and hold something else, the first that fits: how their cells are spelt, and
# what to do with them.
_KINDS = {
    "commas": (
        re.compile(r"[+-]?[0-9][0-9.]*,[0-9][0-9.,]*"),
        "numbers with commas; write a point before decimals and nothing between thousands",
    ),
    "dates": (
        _DATES,
        "dates or times; write them as numbers, such as days since one, or leave them out of features",
    ),
    "units": (
        re.compile(r"[$€£¥]? ?[+-]?[0-9][0-9.,]*( ?(%|°|[$€£¥])| [^\W\d]{1,8})?"),
        "numbers with a unit; write the numbers alone, or list the columns in categorical",
    ),
}

# Cells of a column that are looked at for its kind; the others are like them.
_SAMPLE = 1_000

# Distinct names in as many rows by chance: in fewer rows a category can be all different.
ROWS_OF_AN_ID = 20


def without_header(manifest: Manifest, names: Sequence[str], uri: str) -> str:
    """Tell of a file whose first line is a row; "" where it is not."""
    if manifest.label in names or not any(map(is_number, names)):
        return ""
    return f"{uri}: the first line should name the columns, but is {listed(names)}; put a line of names above it"


def header_problems(manifest: Manifest, names: Sequence[str]) -> list[str]:
    """Compare the names that a manifest uses with those of the data, the likeliest cause of a difference first."""
    problems = []
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        problems.append(f"the header names a column twice: {listed(twice)}; rename one of each")
    if any("\0" in name for name in names):
        problems.append("the header has a name with a NUL character, which no database keeps; rename that column")
    if manifest.label not in names:
        problems.append(f"label column {quoted(manifest.label)} is missing; {_instead(manifest.label, names)}")
    elif len(set(names)) < 2 and not manifest.features:
        problems.append(f"there is no column beside the label {quoted(manifest.label)} to learn from")
    strangers = [name for name in dict.fromkeys((*manifest.features, *manifest.categorical)) if name not in names]
    if len(strangers) == 1:
        problems.append(f"feature column {quoted(strangers[0])} is missing; {_instead(strangers[0], names)}")
    elif strangers:
        told = (f"{quoted(name)}{_meant(name, names)}" for name in strangers[:SHOWN_NAMES])
        problems.append(f"feature columns {', '.join(told)}{_more(strangers)} are missing; columns are {listed(names)}")
    return problems


def with_meant_names(manifest: Manifest, names: Sequence[str]) -> Manifest:
    """Put the near name of the data in place of each that it lacks, to look further for problems."""

    def meant(wanted: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name if name in names else (near(name, names) or (name,))[0] for name in wanted)

    return msgspec.structs.replace(
        manifest,
        label=meant((manifest.label,))[0],
        features=meant(manifest.features),
        categorical=meant(manifest.categorical),
    )


def _instead(name: str, names: Sequence[str]) -> str:
    return f"columns are {listed(names)}{_meant(name, names)}"


def _meant(name: str, names: Sequence[str]) -> str:
    return f" (did you mean {' or '.join(map(quoted, alike))}?)" if (alike := near(name, names)) else ""


def kind_of(strange: Sequence[str], rows: int) -> str:
    """Return the kind of a column whose cells are no numbers: one of `_KINDS`, `ids` or `names`.

    Args:
        strange: the cells that are no numbers.
        rows: number of cells in the column that are not missing.
    """
    for kind, (spelling, _) in _KINDS.items():
        if all(spelling.fullmatch(cell) for cell in strange[:_SAMPLE]):
            return kind
    return "ids" if rows > ROWS_OF_AN_ID and len(set(strange)) == len(strange) == rows else "names"


def names_problems(kinds: Mapping[str, str], examples: Mapping[str, str]) -> list[str]:
    """Tell of all columns that should hold numbers and do not, a problem for each kind.

    Args:
        kinds: the kind of each column, see `kind_of`.
        examples: the first such cell of each.
    """

    def of(kind: str) -> tuple[str, ...]:
        return tuple(name for name, its in kinds.items() if its == kind)

    def told(names: tuple[str, ...], rule: str) -> str:
        which = f"column{'s' if names[1:] else ''} {', '.join(map(quoted, names[:SHOWN_NAMES]))}{_more(names)}"
        return f"{which}: cells such as {quoted(examples[names[0]])} are {rule}"

    problems = [told(columns, rule) for kind, (_, rule) in _KINDS.items() if (columns := of(kind))]
    if ids := of("ids"):
        problems.append(
            told(ids, "another name in every row, as ids are; leave them out: list the other columns as features")
        )
    if names := of("names"):
        problems.append(told(names, f"names, and a name is not a number; add categorical = {toml_list(names)}"))
    return problems


def _more(names: Sequence[str]) -> str:
    return f" and {len(names) - SHOWN_NAMES:,} more" if len(names) > SHOWN_NAMES else ""


def label_problems(manifest: Manifest, table: Table) -> list[str]:
    """Find what is wrong with the labels of a whole table."""
    labels = table.columns[manifest.label]
    if manifest.task == "regression" and labels.dtype != np.float64:
        return [f"regression needs numbers in label column {quoted(manifest.label)}"]
    bad = ~np.isfinite(labels) if labels.dtype == np.float64 else labels == ""
    if bad.any():
        row, count = int(np.flatnonzero(bad)[0]), int(bad.sum())
        cause = f"label is {labels[row]}" if labels[row] else "label is empty"
        return [unlabelled(table.place(row), manifest.label, cause, count)]
    if manifest.task == "regression":
        same = len(labels) > 0 and labels.min() == labels.max()
        return [f"every label in {quoted(manifest.label)} is {labels[0]}; there is nothing to learn"] if same else []
    return class_problems(manifest, labels)


def class_problems(manifest: Manifest, labels: Column) -> list[str]:
    """Find classes that are too few, too many or too small."""
    counts = classes_of(manifest, labels)
    column, rows = quoted(manifest.label), len(labels)
    if len(counts) > CLASSES_AT_MOST:
        return [
            f"label column {column} has {len(counts):,} classes in {rows:,} rows; a network has at most "
            f'{CLASSES_AT_MOST:,}: join rare ones, or set task = "regression" if they are amounts'
        ]
    lonely = [name for name in class_names(counts) if counts[name] < 3]
    if len(counts) >= 2 and not lonely:
        return []
    return [
        f"{manifest.task} needs two classes and three rows of each in {column}; "
        f"too small: {listed(lonely) if lonely else 'there is one class only'}"
    ]


def unlabelled(place: str, label: str, cause: str, count: int) -> str:
    """Tell of rows without a label, the first of which is at `place`."""
    move = f"mend or remove the {count:,} without one"
    return f"{place}, column {quoted(label)}: {cause}; every row needs a label, {move}"


def feature_problems(manifest: Manifest, table: Table) -> list[str]:
    """Find columns of names that have too many."""
    columns = {name: table.columns[name] for name in feature_names(manifest, table) if name in table.columns}
    found = {name: len(set(column) - {""}) for name, column in columns.items() if column.dtype != np.float64}
    return [
        f"column {quoted(name)} holds {count:,} different names in {table.rows:,} rows, each an input of the network; "
        f"at most {CLASSES_AT_MOST:,} make sense: join rare ones, or leave the column out of features"
        for name, count in found.items()
        if count > CLASSES_AT_MOST
    ]
