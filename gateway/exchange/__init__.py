"""The way of one transaction, and the ports it needs."""
