"""The enricher, through a client and alone."""

from typing import Any

import pytest
from segops_plugin_example import add_campaign

from segops import Event, SegOpsClient

URL = "https://shop.example.org/k/7?utm_source=news&utm_medium=email&utm_campaign=spring+sale&q=1"


def campaign_of(**payload: Any) -> dict[str, Any]:
    return dict(add_campaign(Event("u-1", "page_viewed", payload=payload)).payload)


def test_a_client_finds_it_by_its_entry_point() -> None:
    with SegOpsClient("memory:", worker="inline") as client:
        client.track_page_view("u-1", url=URL)
        client.track(user_id="u-1", event_type="order_placed", payload={"url": URL})
        client.flush()
        memory: Any = client.transport
        viewed, ordered = memory.events
    assert viewed["payload"]["utm_source"] == "news"
    assert viewed["payload"]["utm_campaign"] == "spring sale"
    assert ordered["payload"] == {"url": URL}


def test_only_utm_parameters_are_added() -> None:
    assert campaign_of(url=URL) == {
        "url": URL,
        "utm_source": "news",
        "utm_medium": "email",
        "utm_campaign": "spring sale",
    }


def test_what_the_application_says_is_kept() -> None:
    assert campaign_of(url=URL, utm_source="own")["utm_source"] == "own"


def test_the_first_of_repeated_parameters_counts_and_empty_ones_do_not() -> None:
    assert campaign_of(url="/?utm_source=a&utm_source=b&utm_term=") == {
        "url": "/?utm_source=a&utm_source=b&utm_term=",
        "utm_source": "a",
    }


@pytest.mark.parametrize("url", [None, 7, "", "/k/7", "https://[", "/?" + "a=1&" * 200])
def test_a_url_without_parameters_or_sense_changes_nothing(url: Any) -> None:
    assert campaign_of(url=url) == {"url": url}
