"""What every part shares: scenes, labels, places, files, events."""
