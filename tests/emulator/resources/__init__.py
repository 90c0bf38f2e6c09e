"""Tests of segops.emulator.resources."""
