"""What generating cases took: how often z3 was asked, and how uses of operators came by ordinary values."""

from __future__ import annotations

import msgspec

from graphfuzz.solver import Profile as SolverProfile


class Fits(msgspec.Struct):
    """How often the values of a use that fits by its types were ordinary at once, after interval repair, after gradient
    search, or not at all."""

    at_once: int = 0
    by_intervals: int = 0
    by_gradient: int = 0
    never: int = 0

    def total(self) -> int:
        """How many uses there were."""
        return sum(msgspec.structs.astuple(self))

    def add(self, other: Fits) -> None:
        """Count what the other has, too."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Profile(msgspec.Struct):
    """solver: z3's part. fits: how values were found."""

    solver: SolverProfile = msgspec.field(default_factory=SolverProfile)
    fits: Fits = msgspec.field(default_factory=Fits)

    def add(self, other: Profile) -> None:
        """Count what another profile has, too."""
        self.solver.add(other.solver)
        self.fits.add(other.fits)
