"""What the thin shell scripts in the folder above run."""
