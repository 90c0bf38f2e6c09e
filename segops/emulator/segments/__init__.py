"""Segments: a definition becomes SQL, and the SQL gives the members."""
