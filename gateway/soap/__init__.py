"""The façade: spyne hosts and describes, our own lane reads and writes."""

# before anything of spyne, whichever module of this package is imported first
import gateway.soap.spyne_shim  # noqa: F401
