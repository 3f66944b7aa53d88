"""A complete durable exchange over sockets against a floor written by hand: ``python -m bench.durable``."""
