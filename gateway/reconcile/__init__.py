"""Reconciliation (3201 total, 3202 detail): the journal beside the platform's books; each difference becomes a case."""
