"""Questions that need more than one study: horizons, windows of rates and thresholds, tuning, scored sentences."""
