"""Routes, comparison, verdicts: what is wrong, and who is to blame."""
