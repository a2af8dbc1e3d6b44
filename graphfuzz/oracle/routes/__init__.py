"""The routes that come with graphfuzz, one module each; found through the entry point group `graphfuzz.routes`.

Importing one imports no target: `convert` and `refused` do that where they run.
"""
