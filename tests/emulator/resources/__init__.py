"""Tests of the resources of the emulator."""
