"""The vendor's programs, run against this SDK and the local SegOps."""
