"""Campaigns: the loop, its workers, its statistics."""
