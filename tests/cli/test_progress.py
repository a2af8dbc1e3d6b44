"""What takes long is told on stderr; what does not is not."""

from graphfuzz.cli import progress


def test_nothing_is_told_of_what_takes_a_moment(capsys):
    assert list(progress.telling("counting")([1, 2, 3])) == [1, 2, 3]
    assert capsys.readouterr() == ("", "")


def test_what_takes_longer_tells_how_far_it_is(capsys, monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE", -1.0)
    assert list(progress.telling("counting")("ab")) == ["a", "b"]
    assert capsys.readouterr() == ("", "counting: 1 of 2\ncounting: 2 of 2\n")
