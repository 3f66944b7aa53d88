"""The façade: spyne hosts and describes, our own lane reads and writes."""
