"""Make a finding as small as it can be without changing the defect."""

from graphfuzz.minimizer.engine import BUDGET, HANG_BUDGET, Check, Reduction, Step, minimize
from graphfuzz.minimizer.size import size

__all__ = ["BUDGET", "HANG_BUDGET", "Check", "Reduction", "Step", "minimize", "size"]
