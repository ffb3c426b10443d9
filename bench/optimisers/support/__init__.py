"""What optimisers share."""
