"""What somebody should look at: found by thresholds, raised once, cleared once, kept in the store."""
