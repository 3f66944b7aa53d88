"""Catalogs (13xx): asked for, fetched, looked through, imported by version."""
