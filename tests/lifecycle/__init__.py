"""Tests of the project: lifecycle."""
