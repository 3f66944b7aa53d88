"""目录: read only."""
