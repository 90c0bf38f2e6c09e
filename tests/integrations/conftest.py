"""Fixtures of the tests of integrations."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from segops.integrations import request
from tests.integrations.web_rig import Site


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Return a site whose client keeps events in memory; warnings occur as if for the first time."""
    monkeypatch.setattr(request, "_reported", set())
    monkeypatch.setattr(request, "_strict", set())
    site = Site()
    yield site
    site.client.shutdown(0)
