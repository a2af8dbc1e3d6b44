"""What can go wrong through the user's input, one class a cause.

    GraphfuzzError              one clear line for the user, exit code 2
    ├── UsageError              an option, a name or a configuration that does not exist
    ├── PackError               an operator pack that cannot be loaded
    ├── SpecError               an operator declaration with a mistake
    ├── InvalidGraph            a graph that its operators' rules refuse
    └── EntryError              a corpus entry (or folder) that cannot be read or written

`graphfuzz.spec.Rejected` is not among them: a rule that refuses a drawn use is the ordinary course of generation.
"""


class GraphfuzzError(Exception):
    """Bad input. Its text says what, where, and how to mend it."""


class UsageError(GraphfuzzError):
    """An option, a name or a configuration that does not exist."""


class PackError(GraphfuzzError):
    """An operator pack that cannot be loaded."""


class SpecError(GraphfuzzError):
    """An operator declaration with a mistake; names the operator and the field."""


class InvalidGraph(GraphfuzzError):
    """A graph that its operators' rules refuse; names the node and the reason."""


class EntryError(GraphfuzzError):
    """A corpus entry that is missing, damaged, too new, or cannot be written."""
