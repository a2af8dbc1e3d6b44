"""Patterns and rewrites: declared around a body, given by packs, and refused where they stand."""

from pathlib import Path

import pytest

from graphfuzz.errors import PackError, SpecError
from graphfuzz.generator import Recipe, generate
from graphfuzz.spec import Registry, load_registry, pattern, rewrite, tensor

PACK = """
from graphfuzz.spec import pattern, rewrite, tensor, unary
OPERATORS = [unary("doubled", ("float32",), reference=lambda x: x * 2, torch="{x} * 2", domain=(-2.0, 2.0))]

@pattern(tensor("x", rank=2))
def doubled_twice(net, x):
    '''Twice twice.'''
    return net("relu", net("doubled", x, like=x))

@rewrite("doubled")
def added_to_itself(net, x):
    '''x + x'''
    return net("add", x, x)

PATTERNS, REWRITES = [doubled_twice], [added_to_itself]
"""


def test_a_pack_of_ones_own_gives_patterns_and_rewrites(tmp_path: Path) -> None:
    (tmp_path / "pack_of_forms.py").write_text(PACK)
    registry = load_registry([str(tmp_path / "pack_of_forms.py")])
    names = ("doubled", "relu", "add")
    case = generate(Recipe(1, 0, "torch", 3, names, lane="pattern"), registry)
    assert case.origin["pattern"] == "doubled_twice"
    cases = [generate(Recipe(1, i, "torch", 3, names, lane="rewrite", turn=i), registry) for i in range(40)]
    assert "added_to_itself" in {case.origin["rewrite"] for case in cases}


def test_what_packs_call_patterns_must_be_some(tmp_path: Path) -> None:
    (tmp_path / "pack_of_no_forms.py").write_text("OPERATORS = []\nPATTERNS = [1]\n")
    with pytest.raises(PackError, match="PATTERNS of 'pack_of_no_forms' is no sequence of patterns"):
        load_registry([str(tmp_path / "pack_of_no_forms.py")])


def test_mistakes_are_named_where_they_stand() -> None:
    def undocumented(net, x):
        return x

    def documented(net, x):
        """A body."""
        return x

    with pytest.raises(SpecError, match="pattern 'undocumented': the docstring is missing"):
        pattern(tensor("x"))(undocumented)
    with pytest.raises(SpecError, match=r"rewrite 'documented': has unknown dtypes \['float13'\]"):
        rewrite(dtypes=("float13",))(documented)
    with pytest.raises(SpecError, match=r"takes \['x'\], the declaration has \['y'\]"):
        pattern(tensor("y"))(documented)
    with pytest.raises(SpecError, match="pattern 'documented': two have this name"):
        Registry([], patterns=[pattern(tensor("x"))(documented)] * 2)
