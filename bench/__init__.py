"""What the gateway costs, against peers in the same run. ``python -m bench``; docs/inside/speed.md says how to read it."""
