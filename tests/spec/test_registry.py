"""Packs named by path: the file named is what is loaded, whatever else has its name."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from graphfuzz.errors import PackError, SpecError
from graphfuzz.spec import Registry, load_registry

PACK = (
    "from graphfuzz.spec import unary, FLOATS\n"
    "OPERATORS = [unary('{name}', FLOATS, reference=abs, torch='torch.abs({{x}})')]\n"
)


@pytest.fixture(autouse=True)
def unchanged_modules() -> Iterator[None]:
    """What a pack imports is gone after the test."""
    modules, path = set(sys.modules), list(sys.path)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def written(file: Path, text: str) -> str:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return str(file)


def added(paths: list[str]) -> list[str]:
    """The operators that packs add to the installed ones."""
    return sorted(set(load_registry(paths)) - set(load_registry()))


def test_a_file_is_a_pack_and_may_import_what_lies_beside_it(tmp_path: Path) -> None:
    written(tmp_path / "a_neighbor_of_mine.py", PACK.format(name="mine"))
    pack = written(tmp_path / "pack_of_mine.py", "from a_neighbor_of_mine import OPERATORS\n")
    assert added([pack]) == ["mine"]


def test_a_package_may_import_its_parts_either_way(tmp_path: Path) -> None:
    folder = tmp_path / "parted_pack"
    written(folder / "one.py", PACK.format(name="one"))
    written(folder / "two.py", "from . import one\n" + PACK.format(name="two") + "OPERATORS += one.OPERATORS\n")
    written(folder / "__init__.py", "import parted_pack.one\nfrom parted_pack import one\nfrom .two import OPERATORS\n")
    assert added([str(folder)]) == ["one", "two"]


def test_a_pack_is_loaded_once(tmp_path: Path) -> None:
    pack = written(tmp_path / "counted_pack.py", PACK.format(name="counted"))
    assert load_registry([pack])["counted"] is load_registry([str(tmp_path / "." / "counted_pack.py")])["counted"]


def test_a_relative_path_means_the_same_in_another_process(tmp_path: Path) -> None:
    written(tmp_path / "relative_pack" / "__init__.py", "from .part import OPERATORS\n")
    written(tmp_path / "relative_pack" / "part.py", PACK.format(name="relative"))
    code = "from graphfuzz.spec import load_registry; print('relative' in load_registry(['relative_pack']))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


@pytest.mark.parametrize("name", ["json", "sys", "this", "graphfuzz"])
def test_the_name_of_another_module_is_refused(tmp_path: Path, name: str) -> None:
    """Imported already or not, in a file or built in."""
    pack = written(tmp_path / "some" / f"{name}.py", PACK.format(name="mine"))
    imported = sys.modules.get(name)
    with pytest.raises(PackError, match=rf"--operators .*{name}\.py: '{name}' is the name of another module.* rename"):
        load_registry([pack])
    assert sys.modules.get(name) is imported


def test_two_packs_of_one_name_are_refused(tmp_path: Path) -> None:
    packs = [written(tmp_path / folder / "twin_pack.py", PACK.format(name=folder)) for folder in ("one", "two")]
    with pytest.raises(
        PackError, match=r"two/twin_pack\.py: 'twin_pack' is the name of another module.*one/twin_pack\.py"
    ):
        load_registry(packs)


def test_a_folder_without_code_does_not_take_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here" / "airy_pack").mkdir(parents=True)
    monkeypatch.syspath_prepend(tmp_path / "here")
    pack = written(tmp_path / "there" / "airy_pack.py", PACK.format(name="airy"))
    assert added([pack]) == ["airy"]


def test_a_pack_mended_after_a_failure_is_loaded_anew(tmp_path: Path) -> None:
    pack = written(tmp_path / "mended_pack.py", "1 / 0\n")
    with pytest.raises(PackError, match="importing 'mended_pack' failed: ZeroDivisionError"):
        load_registry([pack])
    written(tmp_path / "mended_pack.py", PACK.format(name="mended_after_all"))
    assert added([pack]) == ["mended_after_all"]


def test_a_mistake_in_a_pack_names_the_pack_too(tmp_path: Path) -> None:
    pack = written(tmp_path / "mistaken_pack.py", PACK.format(name="mistaken").replace("{x})", "{x}"))
    with pytest.raises(
        SpecError, match=r"^--operators .*: operator 'mistaken', field 'torch': .* no Python expression"
    ):
        load_registry([pack])


@pytest.mark.parametrize("path", ["nowhere", "folder", "text.txt"])
def test_what_is_no_pack_is_refused(tmp_path: Path, path: str) -> None:
    (tmp_path / "folder").mkdir()
    written(tmp_path / "text.txt", "")
    with pytest.raises(PackError, match="no such pack"):
        load_registry([str(tmp_path / path)])


def test_the_installed_packs_need_no_path() -> None:
    registry = load_registry()
    assert isinstance(registry, Registry)
    assert "relu" in registry
