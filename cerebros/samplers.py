"""All samplers by name: our own and Optuna's."""

from __future__ import annotations

from collections.abc import Sequence

from cerebros.errors import FailedPrecondition, InvalidArgument
from cerebros.search.admission import Admissible
from cerebros.search.motpe import Motpe
from cerebros.search.sampler import RandomSampler, Sampler
from cerebros.search.targets import NO_TARGETS, Targets
from cerebros.space.rose_tree import Space, Tree

SAMPLERS = ("rose", "rose-parzen", "optuna-motpe", "nsga2", "random")


def make_sampler(
    name: str,
    space: Space,
    seed: int,
    admissible: Admissible = lambda _tree: True,
    first: Sequence[Tree] = (),
    targets: Targets = NO_TARGETS,
) -> Sampler:
    """Make a sampler of trees of a space.

    Args:
        name: one of `SAMPLERS`.
        seed: equal seeds, asked and told the same, propose the same trees.
        admissible: a condition on the whole tree besides the space's own limits.
        first: trees to propose before any other; `random` ignores them, as a baseline must.
        targets: hard limits on losses, reference point and known losses; `random` ignores them.

    Raises:
        InvalidArgument: no sampler has this name.
        FailedPrecondition: it is Optuna's, and Optuna is not installed.
    """
    match name:
        case "rose" | "rose-parzen":
            return Motpe(space, seed, admissible, first, screened=name == "rose", targets=targets)
        case "random":
            return RandomSampler(space, seed, admissible)
        case "optuna-motpe" | "nsga2":
            try:
                # 0.3 s, and an extra that most installations do without.
                from cerebros.optuna.search import OptunaSearch
            except ModuleNotFoundError as missing:
                raise FailedPrecondition(
                    f"sampler {name!r} needs {missing.name}; pip install 'cerebros-bridge[optuna]'"
                ) from None
            return OptunaSearch(name, space, seed, admissible, first, targets)
        case _:
            raise InvalidArgument(f"sampler {name!r} is unknown; choose from {', '.join(SAMPLERS)}")
