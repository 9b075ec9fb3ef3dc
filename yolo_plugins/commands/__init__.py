"""The tools: each module parses, calls the package and prints; `tools/` holds a door to each."""
