"""The national interface compiled from ``mappings/``. Pure: no I/O, no clock, no store."""
