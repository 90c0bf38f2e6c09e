"""Tests of segops.plugins.ai_referrer."""
