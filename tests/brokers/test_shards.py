"""How entries become requests: full ones, the same ones again, and halves."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from segops import Limits
from segops.brokers.shards import Buried, Cut, Entry, Lane, Position, Record, Settled, Shard, read_body
from segops.core import ADOPTED, BATCH_PATH, Batch


class MemoryShard(Shard):
    """A shard in memory, read two entries at a time."""

    name = "0"

    def __init__(self, entries: Sequence[Entry], record: Record) -> None:
        self._entries = [*entries]
        self.record = record

    def read(self, after: str | None) -> Sequence[Entry]:
        start = 0 if after is None else 1 + [entry.id for entry in self._entries].index(after)
        return self._entries[start : start + 2]

    def begin(self, cut: Cut) -> bool:
        raise NotImplementedError

    def pause(self) -> None:
        raise NotImplementedError

    def settle(self, cut: Cut, settled: Settled) -> bool:
        assert settled == Settled()
        self._entries = [entry for entry in self._entries if entry not in cut.done]
        return True

    def bury(self, entry: Entry, buried: object) -> bool:
        assert buried
        self._entries.remove(entry)
        return True


def entries(*counts: int) -> list[Entry]:
    return [
        Entry(f"{number}-0", [b'{"n":%d%03d}' % (number, index) for index in range(count)], 10)
        for number, count in enumerate(counts, 1)
    ]


def lane(*counts: int, skip: int = 0, end: Position | None = None) -> Lane:
    return Lane(MemoryShard(entries(*counts), Record(skip, end)))


def next_cut(lane: Lane, limit: int = 500, size: int = 2**20) -> Cut | None:
    limits = Limits(batch_events=limit, batch_bytes=size)
    lane.load(limits.batch_events)
    lane.cut = lane.make_cut(limits, "segops")
    return lane.cut


def cut(lane: Lane, limit: int = 500, size: int = 2**20) -> Cut:
    found = next_cut(lane, limit, size)
    assert found is not None
    return found


def settle(lane: Lane) -> None:
    assert lane.cut is not None
    lane.shard.settle(lane.cut, Settled())
    lane.advance()


def walk(lane: Lane, limit: int) -> list[Cut]:
    """Cut and settle until nothing is left."""
    found = []
    while next_cut(lane, limit) is not None:
        assert lane.cut is not None
        found.append(lane.cut)
        settle(lane)
    return found


counts = st.lists(st.integers(1, 40), max_size=12)


@given(counts=counts, limit=st.integers(1, 50))
def test_requests_are_full_and_keep_the_order(counts: list[int], limit: int) -> None:
    cuts = walk(lane(*counts), limit)
    assert [len(each.ends) for each in cuts[:-1]] == [limit] * (len(cuts) - 1)
    events = [event for each in cuts for event in Batch(each.body, len(each.ends), 0, BATCH_PATH, None).events]
    assert events == [event for entry in entries(*counts) for event in entry.events]
    assert [entry.id for each in cuts for entry in each.done] == [entry.id for entry in entries(*counts)]
    assert len({each.key for each in cuts}) == len(cuts)


@given(counts=counts.filter(bool), limit=st.integers(1, 50), more=counts)
def test_a_successor_sends_the_same_again(counts: list[int], limit: int, more: list[int]) -> None:
    """Whatever came in meanwhile, and from the middle of an entry."""
    before = lane(*counts)
    cut(before, limit)
    settle(before)
    first = next_cut(before, limit)
    if first is None:
        return
    (entry_id, skip), end = first.start, first.ends[-1]
    left = [entry for entry in entries(*counts, *more) if int(entry.id[:-2]) >= int(entry_id[:-2])]
    after = Lane(MemoryShard(left, Record(skip, end)))
    again = cut(after, limit)
    assert (again.key, again.body, again.rest) == (first.key, first.body, first.rest)
    assert after.is_suspect


def test_halves_have_keys_of_their_own_and_are_sent_in_order() -> None:
    one = lane(3, 5)
    whole = cut(one)
    one.split(4)
    first = cut(one)
    assert ([*first.ends], [entry.id for entry in first.done], first.rest) == (whole.ends[:4], ["1-0"], 1)
    one.split(2)
    quarter = cut(one)
    assert len(quarter.ends) == 2
    settle(one)
    second_quarter = cut(one)
    settle(one)
    second = cut(one)
    assert second.start == ("2-0", 1)
    assert [len(each.ends) for each in (second_quarter, second)] == [2, 4]
    assert len({each.key for each in (whole, first, quarter, second_quarter, second)}) == 5


def test_a_record_that_fits_nothing_any_more_is_ignored() -> None:
    """Entries were deleted by hand, or limits are smaller."""
    assert len(cut(lane(3, 3, end=("1-0", 9))).ends) == 6
    assert len(cut(lane(3, 3, end=("9-0", 1))).ends) == 6
    assert len(cut(lane(3, 3, end=("2-0", 3)), limit=4).ends) == 4


def test_bytes_bound_a_request_but_one_event_is_always_sent() -> None:
    one = lane(4)
    event = len(entries(1)[0].events[0])
    assert len(cut(one, size=13 + 2 * (event + 2)).ends) == 2
    assert len(cut(one, size=1).ends) == 1


def test_an_entry_that_cannot_be_read_ends_a_request() -> None:
    bad = Entry("9-0", (), 1, "cannot be read")
    one = Lane(MemoryShard([*entries(2), bad], Record()))
    assert len(cut(one).ends) == 2
    assert one.first_problem() is None
    settle(one)
    one.load(500)
    assert one.first_problem() is bad
    one.shard.bury(bad, Buried("unreadable", "bad"))
    one.drop_first()
    assert next_cut(one) is None


def test_keys_are_uuids_of_version_8() -> None:
    key = uuid.UUID(cut(lane(1)).key)
    assert (key.version, key.variant) == (8, uuid.RFC_4122)


@given(st.lists(st.binary(min_size=1).filter(lambda event: b"\n" not in event), min_size=1))
def test_a_body_is_read_as_it_was_joined(events: list[bytes]) -> None:
    body = Batch.of(events, ADOPTED, BATCH_PATH).body
    assert read_body(body, len(events)) == events
    assert read_body(body, len(events) + 1) is None
    assert read_body(body[1:], len(events)) is None
    assert read_body(body[:-1], len(events)) is None
