"""Makes the rig importable."""
