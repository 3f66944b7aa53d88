"""Ways to a province: implementations of ``gateway.exchange.ports.SettlementPlatform``."""
