"""What other processes of this machine may ask of the one that owns the store, by subject."""
