"""Tests of the project: cli."""
