"""Environments that differ from this one in one package, from an index of tiny wheels."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from graphfuzz.corpus import environments
from graphfuzz.corpus.environments import (
    BASE,
    Uninstallable,
    between,
    check_requirements,
    environment,
    installed,
    known_versions,
    laid_over,
    unmet,
)
from graphfuzz.errors import UsageError
from tests.wheels import make_wheel


@pytest.fixture(scope="module")
def index(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("index")
    for version in ("1.9", "1.10", "1.2"):
        make_wheel(folder, "tinyrt", version, f"VERSION = '{version}'", ["tinydep>=2"])
    for version in ("1.0", "2.0"):
        make_wheel(folder, "tinydep", version, "")
    make_wheel(folder, "click", "0.1", "OLD = True")
    return folder


@pytest.fixture(autouse=True)
def offline(index, monkeypatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))


def says(python: Path, code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(python), "-c", code], capture_output=True, text=True)


def test_the_index_is_asked_and_versions_come_oldest_first():
    assert known_versions("tinyrt") == ["1.2", "1.9", "1.10"]


def test_an_unknown_package_is_named_with_what_pip_says():
    with pytest.raises(UsageError, match=r"'no-such-package'.*No matching distribution"):
        known_versions("no-such-package")


def test_an_index_that_cannot_be_reached_is_not_taken_for_an_empty_one(monkeypatch):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(UsageError, match="Failed to establish a new connection"):
        known_versions("tinyrt")


def test_a_range_includes_its_ends():
    versions = ["1.2", "1.9", "1.10", "2.0"]
    assert between(versions, None, None) == versions
    assert between(versions, "1.9", "1.10.0") == ["1.9", "1.10"]
    for first, last, said in (("3", None, "from 3 to the newest"), ("2", "1", "from 2 to 1"), ("x", None, "'x' is no")):
        with pytest.raises(UsageError, match=said):
            between(versions, first, last)


def test_a_requirement_that_is_none_is_named():
    check_requirements(["numpy<2", "onnx==1.18"])
    with pytest.raises(UsageError, match="'numpy 2' is no requirement"):
        check_requirements(["numpy 2"])


def test_what_is_installed_here():
    assert installed("click") is not None
    assert installed("tinyrt") is None


@pytest.fixture(scope="module")
def older(index, tmp_path_factory) -> Path:
    """An environment in which click is older than here, beside what a killed maker left."""
    folder = tmp_path_factory.mktemp("environments")
    (folder / f"{environments.TEMPORARY}999999999-x").mkdir()
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PIP_NO_INDEX", "1")
        patched.setenv("PIP_FIND_LINKS", str(index))
        return environment(folder, "click", "0.1", alone=True)


def test_an_environment_has_its_own_package_over_those_of_here(older):
    done = says(older, "import click, numpy; print(click.OLD, click.__file__); print(numpy.__file__)")
    old, here = done.stdout.splitlines()
    folder = older.parents[2]
    assert old.startswith(f"True {folder}"), done.stderr
    assert not here.startswith(str(folder))
    assert laid_over(older) == {"click": "0.1"}
    assert installed("click") != "0.1"


def test_an_environment_is_made_once_and_leftovers_are_cleared_away(older, monkeypatch):
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    folder = older.parents[2]
    assert environment(folder, "click", "0.1", alone=True) == older
    assert [path.name.partition("-")[0] for path in folder.iterdir()] == ["click"]


def test_requirements_come_along_unless_it_is_alone(tmp_path):
    alone = environment(tmp_path, "tinyrt", "1.9", alone=True)
    assert (laid_over(alone), unmet(alone, "tinyrt")) == ({"tinyrt": "1.9"}, ["tinydep>=2"])
    whole = environment(tmp_path, "tinyrt", "1.9")
    assert (laid_over(whole), unmet(whole, "tinyrt")) == ({"tinydep": "2.0", "tinyrt": "1.9"}, [])
    with_older = environment(tmp_path, "tinyrt", "1.9", ["tinydep<2"], alone=True)
    assert (laid_over(with_older), unmet(with_older, "tinyrt")) == ({"tinydep": "1.0", "tinyrt": "1.9"}, ["tinydep>=2"])


def test_what_cannot_be_installed_is_said_and_leaves_nothing(tmp_path):
    with pytest.raises(Uninstallable, match=r"conflict|ResolutionImpossible"):
        environment(tmp_path, "tinyrt", "1.9", ["tinydep<2"])
    assert list(tmp_path.iterdir()) == []


def test_no_process_of_an_environment_takes_another_version(older, tmp_path):
    """The guard holds where the package comes from elsewhere, be it the one of here."""
    (info,) = older.parents[1].rglob("click-0.1.dist-info")
    elsewhere = info.rename(info.with_name("clack-0.1.dist-info"))
    done = says(older, "print('ran')")
    elsewhere.rename(info)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("Not the environment of click 0.1: click is ")
    shadow = tmp_path / "click"
    shadow.mkdir()
    (shadow / "__init__.py").write_text("")
    done = subprocess.run([older, "-c", ""], env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (3, "Not the environment of click 0.1: click is not click's\n")


def test_the_version_of_here_needs_nothing_installed(tmp_path):
    here = installed("msgspec")
    assert here is not None
    python = environment(tmp_path, "msgspec", here, alone=True)
    assert laid_over(python) == {}
    assert says(python, "import msgspec; print(msgspec.__version__)").stdout.strip() == here


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be made"):
        environment(tmp_path / "file" / "x", "tinydep", "1.0")


def test_without_pip_it_is_said_how_to_have_it(tmp_path, monkeypatch):
    monkeypatch.setattr(
        environments, "_PIP", (environments.sys.executable, "-c", "raise SystemExit('No module named pip')")
    )
    with pytest.raises(UsageError, match="ensurepip"):
        known_versions("tinyrt")


def test_the_path_of_here_is_named_in_the_environment(older):
    (base,) = older.parents[1].rglob(BASE)
    assert str(Path(pytest.__file__).parents[1]) in base.read_text().splitlines()
