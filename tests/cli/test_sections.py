"""The help of a command with many options."""

from click.testing import CliRunner

from graphfuzz.cli.fuzz import fuzz
from graphfuzz.cli.fuzz_options import SECTIONS


def test_every_option_stands_in_the_section_that_begins_before_it():
    help_text = CliRunner().invoke(fuzz, ["--help"]).output
    names = [str(option.name) for option in fuzz.params]
    assert set(SECTIONS.values()) <= set(names)
    places = [help_text.index(f"\n{heading}:\n") for heading in ("Options", *SECTIONS)]
    assert places == sorted(places)
    for option in fuzz.params:
        written = help_text.index(f"\n  --{option.opts[0].lstrip('-')}")
        begun = [first for first in SECTIONS.values() if names.index(first) <= names.index(str(option.name))]
        assert sum(place < written for place in places) == 1 + len(begun)
