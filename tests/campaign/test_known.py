"""Known issues: their file, what they suppress, and that they lift themselves."""

from datetime import date

import msgspec
import pytest

from graphfuzz.campaign.known import (
    KnownIssue,
    Suppression,
    issue_text,
    issues_at_start,
    pattern_of,
    read_known,
    told,
)
from graphfuzz.corpus import make_entry, write_entry
from graphfuzz.corpus.replay import CANNOT_RUN, FIXED, STILL_FAILING, Line
from graphfuzz.errors import EntryError, UsageError
from graphfuzz.generator import Bar
from graphfuzz.graph import Graph, pack_arrays
from graphfuzz.oracle.attribution import Attribution
from graphfuzz.oracle.route import load_route
from graphfuzz.oracle.verdict import Mismatch, Outcome
from tests.examples import case_of, node, value

ROUTE = "torch-script-ort"


def entry_of(registry, dtype="float16", axis=-1, shape=(2, 3)):
    x, y = value("x0", dtype, shape), value("v0", dtype, shape)
    case = case_of(Graph((x,), (), (node("cumsum", "x0", y, axis=axis),), ("v0",)))
    expected = pack_arrays({"v0": case.tensors["x0"]})
    outcome = Outcome(ROUTE, "wrong-output", "compare", mismatch=Mismatch("value", "v0", "differs"), expected=expected)
    return make_entry(case, outcome, load_route(ROUTE), registry, "2026-01-02")


@pytest.fixture
def stored(tmp_path, registry):
    return write_entry(tmp_path / "corpus", entry_of(registry))


def issue_of(stored, **changes):
    told = {"title": "cumsum", "link": "https://example.org/1", "route": ROUTE, "until": date(2999, 1, 1)}
    return KnownIssue(**{**told, "entry": str(stored), "operator": "cumsum", **changes})


def written(folder, *issues):
    (folder / "known-issues.toml").write_text("\n".join(map(issue_text, issues)))
    return folder / "known-issues.toml"


def test_what_is_written_is_read(tmp_path, stored, registry):
    issue = issue_of(stored, dtypes=("float16",), ranks=(1, 2), attributes={"axis": ("-1", "negative")}, title='a "b"')
    relative = msgspec.structs.replace(issue, entry=f"corpus/{stored.name}")
    assert read_known(written(tmp_path, relative), registry) == (issue,)
    assert issue.bars == (Bar("cumsum", ("float16",), (1, 2), {"axis": ("-1", "negative")}),)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"operator": "cumsun"}, "cumsun"),
        ({"dtypes": ("float17",)}, "did you mean 'float16'"),
        ({"attributes": {"axes": ("0",)}}, "cumsum has no attribute 'axes'; it has axis"),
        ({"route": "torch-dynamo-ort"}, "its entry is of route 'torch-script-ort'"),
        ({"operator": "relu"}, "no node of its entry's graph is of the pattern"),
        ({"dtypes": ("int64",)}, "no node of its entry's graph"),
        ({"operator": "", "ranks": (1,)}, "none is named"),
        ({"entry": "corpus/nothing"}, "there is no such entry"),
    ],
)
def test_what_is_wrong_is_told(tmp_path, stored, registry, changes, said):
    with pytest.raises(UsageError, match="issue 1") as raised:
        read_known(written(tmp_path, issue_of(stored, **changes)), registry)
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[issue]]\ntitel = "x"', "did you mean 'title'"),
        ('[[issue]]\ntitle = "x"', "missing required field"),
        ("issue = 3", "every issue is a table"),
        ("[known]\na = 1", "every issue is a table"),
        ("[[issue", "is not TOML"),
    ],
)
def test_a_file_that_is_none_is_told(tmp_path, registry, text, said):
    (tmp_path / "k.toml").write_text(text)
    with pytest.raises(UsageError, match=said):
        read_known(tmp_path / "k.toml", registry)


def test_two_issues_have_two_titles(tmp_path, stored, registry):
    with pytest.raises(UsageError, match="two issues are titled 'cumsum'"):
        read_known(written(tmp_path, issue_of(stored), issue_of(stored)), registry)


def test_the_file_beside_the_corpus_is_taken_if_there_is_one(tmp_path, stored, registry):
    corpus = tmp_path / "corpus"
    assert issues_at_start(None, corpus, registry) == ((), "none")
    file = written(tmp_path, issue_of(stored))
    assert issues_at_start(None, corpus, registry) == ((issue_of(stored),), str(file))
    assert issues_at_start("none", corpus, registry) == ((), "none")
    with pytest.raises(UsageError, match="cannot be read"):
        issues_at_start(str(tmp_path / "other.toml"), corpus, registry)


def test_an_issue_stands_until_its_last_day(stored, registry):
    until = issue_of(stored, until=date(2020, 1, 1))
    assert Suppression([until]).bars(ROUTE) == ()
    assert Suppression([issue_of(stored)]).bars(ROUTE) == (Bar("cumsum"),)
    assert Suppression([issue_of(stored)]).bars("tf2onnx-ort") == ()
    (line,) = told(Suppression([until]), registry, {ROUTE: "torch"})
    assert "has expired" in line
    (line,) = told(Suppression([issue_of(stored)]), registry, {ROUTE: "torch"})
    assert line.startswith(f"known issues on {ROUTE}: 1, which suppress 0.")


def test_an_issue_lifts_itself_once_its_entry_does_not_fail_and_comes_back(stored):
    def line(status):
        return Line(str(stored), ROUTE, status, "ok" if status == FIXED else "wrong", ROUTE, "wrong-output")

    suppression = Suppression([issue_of(stored)])
    assert suppression.learn([line(STILL_FAILING)]) == []
    assert suppression.learn([line(CANNOT_RUN)]) == []
    assert suppression.bars(ROUTE)
    (news,) = suppression.learn([line(FIXED)])
    assert "'cumsum' is mended (was wrong-output, now ok)" in news
    assert (suppression.bars(ROUTE), suppression.learn([line(FIXED)])) == ((), [])
    (news,) = suppression.learn([line(STILL_FAILING)])
    assert "is back" in news
    assert suppression.bars(ROUTE)


def test_an_entry_that_is_gone_is_told(tmp_path):
    with pytest.raises(EntryError, match="there is no such entry"):
        Suppression([issue_of(tmp_path / "gone")])


def test_a_finding_belongs_to_an_issue_by_route_verdict_and_what_is_to_blame(stored, registry):
    entry = entry_of(registry)
    wrong = Outcome(ROUTE, "wrong-output", "compare", mismatch=Mismatch("dtype", "v0", "is another"))
    suppression = Suppression([issue_of(stored, dtypes=("float16",))])
    assert suppression.bucket_of(wrong, entry.case, None) == entry.slug
    assert suppression.bucket_of(wrong, entry.case, Attribution("", node="v0", operator="cumsum")) == entry.slug
    assert suppression.bucket_of(wrong, entry.case, Attribution("", node="v1", operator="relu")) is None
    assert suppression.bucket_of(msgspec.structs.replace(wrong, verdict="load-failure"), entry.case, None) is None
    assert suppression.bucket_of(msgspec.structs.replace(wrong, route="tf2onnx-ort"), entry.case, None) is None
    assert suppression.bucket_of(wrong, entry_of(registry, "float32").case, None) is None
    assert Suppression([issue_of(stored, operator="")]).bucket_of(wrong, entry.case, None) is None


@pytest.mark.parametrize(
    ("made", "bar"),
    [
        ({"dtype": "float32", "axis": 0, "shape": (2,)}, Bar("cumsum")),
        ({"dtype": "float16", "axis": 0, "shape": (2,)}, Bar("cumsum", dtypes=("float16",))),
        ({"dtype": "float32", "axis": 0, "shape": (2, 3, 1)}, Bar("cumsum", ranks=(3, 4, 5, 6))),
        ({"dtype": "float32", "axis": -1, "shape": (2,)}, Bar("cumsum", attributes={"axis": ("-1",)})),
    ],
)
def test_the_pattern_of_an_entry_is_what_the_minimizer_left(registry, made, bar):
    assert pattern_of(entry_of(registry, **made), registry) == bar


def test_no_pattern_where_no_node_is_to_blame_alone(registry):
    entry = entry_of(registry)
    unclear = msgspec.structs.replace(entry, finding=msgspec.structs.replace(entry.finding, first_diverging=None))
    assert pattern_of(unclear, registry) is None
