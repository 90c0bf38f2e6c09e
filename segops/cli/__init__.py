"""The program `segops`."""
