"""graphfuzz: random valid computation graphs, converted, run, compared, minimized and kept."""

__version__ = "0.1.0"
