"""A provincial platform to debug against: it keeps persons, stays, fees and settlements, and misbehaves on demand.

It shares no code with the gateway it answers: its own table reader, its own JSON, its own signature check, so that
one mistake cannot hide on both sides. ``docs/using/simulator.md`` tells how to use it.
"""

from gateway.simulator.platform import Simulator
from gateway.simulator.server import SimulatorServer, serve
from gateway.simulator.signature import ApiSigning, KeySigning, Signing, TifSigning

__all__ = ["ApiSigning", "KeySigning", "Signing", "Simulator", "SimulatorServer", "TifSigning", "serve"]
