"""Everything between a socket and a transaction: servers, addresses, callers, bodies, JSON."""
