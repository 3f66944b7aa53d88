"""The operator's command, one module per group; ``gateway.cli`` puts them together.

Modules import what is heavy (store, servers, contract) inside their commands: ``yibao --help`` must not wait for it.
"""
