"""Faces and their labels: read, prepared, mixed, augmented."""
