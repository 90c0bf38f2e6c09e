"""Tests of segops.emulator."""
