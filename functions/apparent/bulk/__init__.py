"""Many photos at once: where they come from, and where their answers go."""
