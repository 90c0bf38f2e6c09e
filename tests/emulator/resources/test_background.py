"""Tasks that run after a response."""

from __future__ import annotations

import logging
import threading

import pytest

from segops.emulator.background import BackgroundTasks


def test_work_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    background = BackgroundTasks()
    gate, done = threading.Event(), threading.Event()

    def work() -> None:
        gate.wait(60)
        done.set()

    background.start(work)
    assert not background.wait(0)
    gate.set()
    assert background.wait(60)
    assert done.is_set()
    assert background.wait(0)
    assert caplog.records == []


def test_what_work_raises_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    background = BackgroundTasks()
    with caplog.at_level(logging.ERROR, logger="segops.emulator"):
        background.start(lambda: next(iter(())))
        assert background.wait(60)
    assert "background task" in caplog.text
    assert "StopIteration" in caplog.text


def test_work_may_wait_for_the_rest() -> None:
    background = BackgroundTasks()
    results: list[bool] = []
    background.start(lambda: results.append(background.wait(1)))
    assert background.wait(60)
    assert results == [True]
