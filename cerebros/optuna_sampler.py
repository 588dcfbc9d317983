"""`cerebros.optuna.sampler` under the name of earlier releases, for programs that import it from here."""

from cerebros.optuna.sampler import RoseTreeSampler

__all__ = ["RoseTreeSampler"]
