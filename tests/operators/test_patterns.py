"""The library's patterns and rewrites name operators that there are."""

import ast
from pathlib import Path

import pytest

from graphfuzz.spec import Registry
from operators import patterns, rewrites


@pytest.mark.parametrize("module", [patterns, rewrites], ids=["patterns", "rewrites"])
def test_every_operator_named_exists(module, registry: Registry) -> None:
    """The first argument of `net(...)` and those of `@rewrite(...)`, and the alternatives at the top of the module."""
    tree = ast.parse(Path(module.__file__).read_text())
    called = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("net", "rewrite")
    ]
    texts = [arg.value for call in called for arg in call.args if isinstance(arg, ast.Constant)]
    texts += [text for name, text in vars(module).items() if name.isupper() and isinstance(text, str)]
    named = {name for text in texts for name in text.split(" | ")} | set(getattr(module, "COMMUTATIVE", ()))
    assert len(named) > 20
    assert named <= set(registry), named - set(registry)
