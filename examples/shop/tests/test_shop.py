"""What the shop tracks, with each framework."""

from __future__ import annotations

from conftest import Visitor

from segops.testing import TrackedEvents

SOON = 10.0
"""Seconds to wait for page views, which are tracked after the visitor has the page."""


def test_a_visit_is_a_page_view(visitor: Visitor, segops_events: TrackedEvents) -> None:
    assert "Desk lamp" in visitor.get("/")
    event = segops_events.assert_tracked("page_viewed", payload={"path": "/"}, times=1, within=SOON)
    assert event["user_id"].startswith("anon_")


def test_pages_of_one_visitor_have_one_id(visitor: Visitor, segops_events: TrackedEvents) -> None:
    visitor.get("/")
    visitor.get("/products/mug")
    segops_events.assert_tracked("page_viewed", payload={"path": "/products/mug"}, within=SOON)
    assert len({event["anonymous_id"] for event in segops_events}) == 1


def test_a_visit_from_an_assistant_is_a_referral(visitor: Visitor, segops_events: TrackedEvents) -> None:
    visitor.get("/products/lamp?utm_source=chatgpt.com")
    segops_events.assert_ai_referral("chatgpt", within=SOON)
    visitor.get("/", Referer="https://www.perplexity.ai/")
    segops_events.assert_ai_referral("perplexity", within=SOON)


def test_an_order_has_its_user_and_its_total(visitor: Visitor, segops_events: TrackedEvents) -> None:
    visitor.post("/login/ada")
    assert "Thank you" in visitor.post("/products/keyboard/buy")
    segops_events.assert_tracked(
        "order_placed", user_id="ada", payload={"product": "keyboard", "total": 89.95, "currency": "EUR"}, times=1
    )
    segops_events.assert_tracked("page_viewed", user_id="ada", payload={"path": "/thanks"}, within=SOON)
    segops_events.assert_tracked("context_identified", user_id="ada", payload={"name": "Ada"})


def test_an_order_without_login_has_the_id_of_the_visitor(visitor: Visitor, segops_events: TrackedEvents) -> None:
    visitor.get("/")
    visitor.post("/products/mug/buy")
    viewed = segops_events.assert_tracked("page_viewed", payload={"path": "/thanks"}, within=SOON)
    segops_events.assert_tracked("order_placed", user_id=viewed["user_id"], anonymous_id=viewed["anonymous_id"])


def test_the_user_is_gone_after_logout(visitor: Visitor, segops_events: TrackedEvents) -> None:
    visitor.post("/login/grace")
    assert "grace" in visitor.get("/products/mug")
    visitor.post("/logout")
    visitor.get("/products/lamp")
    viewed = segops_events.assert_tracked("page_viewed", payload={"path": "/products/lamp"}, within=SOON)
    assert viewed["user_id"].startswith("anon_")


def test_a_visitor_who_objects_is_not_tracked(visitor: Visitor, segops_events: TrackedEvents) -> None:
    visitor.get("/", **{"Sec-GPC": "1"})
    visitor.get("/products/mug")
    segops_events.assert_tracked("page_viewed", payload={"path": "/products/mug"}, within=SOON)
    assert len(segops_events) == 1


def test_a_crawler_is_not_a_visitor(visitor: Visitor, segops_events: TrackedEvents) -> None:
    visitor.get("/", **{"User-Agent": "Mozilla/5.0 (compatible; GPTBot/1.3; +https://openai.com/gptbot)"})
    visitor.get("/products/mug")
    segops_events.assert_tracked("page_viewed", payload={"path": "/products/mug"}, within=SOON)
    assert len(segops_events) == 1
