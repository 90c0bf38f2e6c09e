"""Tests of segops.emulator.segments."""
