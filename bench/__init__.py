"""What the gateway costs, against peers in the same run. ``python -m bench``; docs/inside/bench.md says how to read it."""
