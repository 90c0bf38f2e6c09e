"""A small shop in FastAPI, Flask and Django, which tracks what its visitors do with the SegOps SDK."""
