"""Searching a large journal on PostgreSQL: build it, ask everything that can be asked, cold and warm (docs/inside/search.md)."""
