"""Stands for a target that is installed and cannot be imported."""

raise RuntimeError("built against another version")
