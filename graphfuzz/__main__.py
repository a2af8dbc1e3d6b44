"""`python -m graphfuzz`: the command line."""

from graphfuzz.cli import main

main(prog_name="graphfuzz")
