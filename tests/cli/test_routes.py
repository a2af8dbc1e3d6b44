"""`graphfuzz routes`, and routes of which something is missing."""

import json

import msgspec
import pytest
from click.testing import CliRunner

from graphfuzz.campaign.configuration import Configuration, check
from graphfuzz.cli import main
from graphfuzz.errors import UsageError
from graphfuzz.oracle.route import default_routes, load_route, require_installed, route_names


def test_every_route_is_listed_with_its_versions():
    listed = json.loads(CliRunner().invoke(main, ["routes", "--json"], catch_exceptions=False).stdout)
    assert [row["name"] for row in listed] == route_names()
    assert [row["name"] for row in listed if row["is_default"]] == default_routes()
    by_name = {row["name"]: row for row in listed}
    assert by_name["tf2onnx-ort"]["missing"] == []
    assert set(by_name["tf2onnx-ort"]["versions"]) == set(load_route("tf2onnx-ort").packages)


@pytest.mark.parametrize(("extra", "how"), [("more", "graphfuzz[more]"), ("", "pip install no-such-package")])
def test_what_is_missing_is_said_with_how_to_install_it(registry, monkeypatch, extra, how):
    route = load_route("torch-script-ort")
    lacking = msgspec.structs.replace(route, packages=(*route.packages, "no-such-package"), extra=extra)
    monkeypatch.setattr("graphfuzz.campaign.configuration.load_route", lambda name: lacking)
    with pytest.raises(UsageError, match="needs no-such-package, which is not installed") as caught:
        check(Configuration(("torch-script-ort",), 1), registry)
    assert how in str(caught.value)
    require_installed(route)


def test_the_table_says_it_too(monkeypatch):
    route = load_route("torch-script-ort")
    lacking = msgspec.structs.replace(route, packages=("numpy", "no-such-package"), extra="more")
    monkeypatch.setattr("graphfuzz.cli.routes.load_route", lambda name: lacking)
    monkeypatch.setenv("COLUMNS", "200")
    shown = CliRunner().invoke(main, ["routes"], catch_exceptions=False).stdout
    assert "torch-script-ort *" in shown
    assert "no-such-package: pip install 'graphfuzz[more]'" in shown
