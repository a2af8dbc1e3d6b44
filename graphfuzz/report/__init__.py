"""Tables of what was found."""
