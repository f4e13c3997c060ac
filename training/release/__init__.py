"""From weights to a shipped bundle: export, calibrate, evaluate, install."""
