"""An operator's family and file are those of the module that declares it."""

from __future__ import annotations

import hashlib
import inspect
from pathlib import Path

import operators.reductions
from graphfuzz.spec.families import unary
from graphfuzz.spec.origins import origins
from graphfuzz.spec.registry import Registry, load_registry


def test_ours_come_from_their_family_not_from_the_pack(registry: Registry) -> None:
    found = origins(registry)
    assert set(found) == set(registry)
    assert found["sum"].module == "operators.reductions"
    assert found["sum"].family == "reductions"
    text = Path(inspect.getfile(operators.reductions)).read_bytes()
    assert found["sum"].digest == hashlib.sha256(text).hexdigest()
    assert "unknown" not in {origin.family for origin in found.values()}
    assert "operators" not in {origin.family for origin in found.values()}


def test_a_pack_of_one_file_is_its_own_family(tmp_path: Path) -> None:
    pack = tmp_path / "one_file_pack.py"
    pack.write_text(
        "from graphfuzz.spec import unary\n"
        "OPERATORS = [unary('mirror', ('float32',), reference=lambda x: -x, torch='-{x}')]\n"
    )
    found = origins(load_registry([str(pack)]))
    assert (found["mirror"].module, found["mirror"].family) == ("one_file_pack", "one_file_pack")
    assert found["sum"].family == "reductions"
    assert not found["mirror"].edited()
    pack.write_text(pack.read_text() + "\n")
    assert found["mirror"].edited()
    pack.unlink()
    assert found["mirror"].edited()


def test_an_operator_of_no_module_has_no_origin() -> None:
    made = unary("nowhere", ("float32",), reference=lambda x: x, torch="{x}.clone()")
    assert origins(Registry([made]))["nowhere"].family == "unknown"
