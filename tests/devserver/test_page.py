"""The page, in a real Chromium."""

from __future__ import annotations

import json
import re
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from segops import SegOpsClient
from segops.core import BATCH_PATH
from segops.devserver.server import DevServer
from segops.emulator import LocalSegOps
from tests.devserver.browser import Browser, Page
from tests.devserver.dev_rig import ask
from tests.rig.ports import lasting_port

ROWS = "[...document.querySelectorAll('#panel-events .row')]"
FIRST = f"{ROWS}[0]"
TABS = ["events", "users", "segments", "referrals", "requests", "connect"]


def store(url: str, local: LocalSegOps, *events: dict[str, object]) -> None:
    key = {"Authorization": f"ApiKey {local.secret_key}"}
    status, response = ask(url, BATCH_PATH, {"events": events}, headers=key)
    assert status == 202, response


def event(number: int = 0, **members: object) -> dict[str, object]:
    return {"user_id": f"user-{number}", "event_type": "order_placed", "payload": {"n": number}, **members}


def make_segment(url: str, local: LocalSegOps) -> int:
    key = {"Authorization": f"ApiKey {local.secret_key}"}
    conditions = [
        {"type": "event_count", "event_type": "order_placed", "operator": "gte", "value": 2},
        {
            "logic": "OR",
            "conditions": [
                {"type": "monetary", "event_type": "order_placed", "operator": "gte", "value": 100},
                {"type": "event_count", "event_type": "page_viewed", "operator": "gte", "value": 1},
            ],
        },
    ]
    body = {"name": "Good customers", "definition": {"logic": "AND", "conditions": conditions}}
    number = int(ask(url, "/api/segments/", body, headers=key)[1]["id"])
    for _ in range(2):
        assert ask(url, f"/api/segments/{number}/compute/", method="POST", headers=key)[0] == 202
    return number


def fill(url: str, local: LocalSegOps) -> None:
    """Store something for every tab to show."""
    with SegOpsClient(url, local.secret_key) as client:
        for number in range(12):
            client.track(user_id=f"user-{number % 5}", event_type="order_placed", payload={"total": 60.5})
        for referrer in ("https://chatgpt.com/", "https://claude.ai/"):
            client.track_page_view("user-1", url="https://shop.example/p", referrer=referrer)
        client.identify(user_id="user-1", traits={"plan": "pro"})
    store(url, local, {"user_id": ""})
    make_segment(url, local)


def choose(page: Page, tab: str) -> None:
    page.run(f"document.querySelector('#tab-{tab}').click()")
    page.wait(f"!document.querySelector('#panel-{tab}').hidden")


ROUND_TRIPS = (
    "(async () => { let slowest = 0; for (let turn = 0; turn < 10; turn++) { const start = Date.now();"
    " await (await fetch('/_dev/overview')).text(); slowest = Math.max(slowest, Date.now() - start); }"
    " return slowest; })()"
)
"""The longest of ten requests to the server, in milliseconds."""


def test_an_event_of_the_sdk_appears_within_a_second(page: Page, client: SegOpsClient) -> None:
    page.wait("document.querySelector('#panel-events .empty') !== null")
    # Measured in the page, from the response to the first event to the row: the test's own steps do not count.
    page.run(
        f"window.seen = new Promise(done => new MutationObserver(() => {FIRST} && done(Date.now()))"
        ".observe(document.querySelector('#panel-events .rows'), {childList: true})); 0"
    )
    before = page.run(ROUND_TRIPS)
    client.track(user_id="ada", event_type="order_placed", payload={"total": 7})
    assert client.flush(60)
    sent = time.time() * 1000
    seen = page.run("window.seen")
    slowest = max(before, page.run(ROUND_TRIPS))
    assert seen - sent < 1000 + 20 * slowest, "a second, and more where everything is slow"
    assert page.run(f"{FIRST}.textContent").endswith('order_placedada{"total":7}')
    page.wait("document.querySelector('#total-events').textContent === '1'")


def test_an_event_shows_payload_sender_and_what_an_enricher_added(page: Page, client: SegOpsClient) -> None:
    client.track_page_view("ada", url="https://shop.example/p", referrer="https://claude.ai/")
    assert client.flush(60)
    page.wait(f"{ROWS}.length === 2")
    page.run(f"{ROWS}[1].click()")
    shown = page.wait(
        "document.querySelector('#panel-events .detail h2') && document.querySelector('.detail').innerText"
    )
    assert "page_viewed" in shown
    assert "An enricher added an ai_referral_session event." in shown
    assert re.search(r"API key\s+sk_…[0-9a-f]{4}", shown)
    assert re.search(r"Source\s+human", shown)
    assert '"referrer": "https://claude.ai/"' in shown
    page.run("document.querySelector('#panel-events .note button').click()")
    page.wait("document.querySelector('.detail').innerText.includes('added this to the previous page_viewed event')")
    assert page.run(f"{ROWS}[0].getAttribute('aria-current')") == "true"


def test_a_skipped_event_says_why(page: Page, url: str, local: LocalSegOps) -> None:
    store(url, local, event(), {"user_id": "", "event_type": "x", "payload": {"kept": 1}})
    row = page.wait(f"{ROWS}.length === 2 && {ROWS}.find(row => row.classList.contains('skipped')).innerText")
    assert "Expected `str` of length >= 1" in row
    page.run(f"{ROWS}.find(row => row.classList.contains('skipped')).click()")
    shown = page.wait("document.querySelector('.detail h2') && document.querySelector('.detail').innerText")
    assert "user_id" in shown
    assert '"kept": 1' in shown


HOSTILE = "</pre><script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>"


def test_hostile_payloads_are_text(page: Page, url: str, local: LocalSegOps) -> None:
    store(
        url,
        local,
        event(1, user_id=HOSTILE, event_type=HOSTILE, payload={HOSTILE: HOSTILE}),
        event(2, user_id="safe\u202egnp.exe", payload={"mark": "a\u202eb\u200f", "nul": "\u0000"}),
        event(3, payload={"long": "<b>" * 333_333}),
        {"user_id": "", "event_type": HOSTILE, "payload": {HOSTILE: HOSTILE}},
    )
    page.wait(f"{ROWS}.length === 4")
    for number in range(4):
        page.run(f"{ROWS}[{number}].click()")
        page.wait(f"{ROWS}[{number}].getAttribute('aria-current') && document.querySelector('.detail h2')")
        time.sleep(0.1)
    text = page.run("document.querySelector('main').innerText")
    assert HOSTILE in text
    assert "safe\\u202egnp.exe" in text
    assert "\u202e" not in text
    page.run(f"{ROWS}.find(row => row.textContent.includes('user-3')).click()")
    button = page.wait(
        "[...document.querySelectorAll('.detail button')].find(each => each.innerText.startsWith('Show all')) && 1"
    )
    assert button
    assert page.run("document.querySelector('.payload').textContent.length") == 20_000
    page.run(
        "[...document.querySelectorAll('.detail button')].find(each => each.innerText.startsWith('Show all')).click()"
    )
    assert page.run("document.querySelector('.payload').textContent.length") > 999_999
    choose(page, "users")
    page.wait("document.querySelectorAll('#panel-users .row').length === 3")
    page.run(
        "[...document.querySelectorAll('#panel-users .row')].find(row => row.textContent.includes('script')).click()"
    )
    page.wait("document.querySelector('#panel-users .detail h2')")
    choose(page, "requests")
    assert page.run("typeof window.hacked") == "undefined"
    assert page.run("document.querySelectorAll('main script, main img, main b:not([class]) > script').length") == 0


def test_filters_apply_to_what_was_and_to_what_comes(page: Page, url: str, local: LocalSegOps) -> None:
    store(url, local, event(1), event(2, event_type="page_viewed"), {"user_id": ""})
    page.wait(f"{ROWS}.length === 3")
    page.wait("document.querySelectorAll('#panel-events option').length === 3")
    page.run(
        "const box = document.querySelector('select'); box.value = 'page_viewed';box.dispatchEvent(new Event('change'))"
    )
    page.wait(f"{ROWS}.length === 1")
    store(url, local, event(3), event(4, event_type="page_viewed"))
    page.wait(f"{ROWS}.length === 2 && {FIRST}.innerText.includes('user-4')")
    page.run("document.querySelector('#panel-events input[type=search]').focus()")
    page.type("USER-2")
    page.wait(f"{ROWS}.length === 1 && {FIRST}.innerText.includes('user-2')")
    page.run("document.querySelectorAll('#panel-events input[type=search]')[1].focus()")
    page.type("nowhere")
    page.wait("document.querySelector('#panel-events .empty strong')?.innerText === 'No events match the filter'")


def test_pause_holds_back_what_comes(page: Page, url: str, local: LocalSegOps) -> None:
    store(url, local, event(1))
    page.wait(f"{ROWS}.length === 1")
    page.run("document.querySelector('[aria-pressed]').click()")
    store(url, local, event(2), event(3))
    page.wait("document.querySelector('[aria-pressed=true]').innerText === 'Resume (2 new)'")
    assert page.run(f"{ROWS}.length") == 1
    page.run("document.querySelector('[aria-pressed=true]').click()")
    assert page.run(f"{ROWS}.map(row => row.dataset.key)") == ["e3", "e2", "e1"]


def test_after_a_break_nothing_is_missing_and_nothing_twice(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "segops.db"
    port = lasting_port()
    with LocalSegOps(path) as local, ExitStack() as context:
        with DevServer(local, port=port) as server:
            url = server.info.url
            page = context.enter_context(browser.open(f"{url}/"))
            page.wait("document.querySelector('#live').innerText === 'live'")
            store(url, local, event(1), event(2))
            page.wait(f"{ROWS}.length === 2")
        page.wait("document.querySelector('#live').innerText === 'reconnecting'")
        with DevServer(local) as elsewhere:
            store(elsewhere.info.url, local, event(3), event(4), {"user_id": ""})
        with DevServer(local, port=port):
            page.wait("document.querySelector('#live').innerText === 'live'")
            page.wait(f"{ROWS}.length >= 5")
            store(url, local, event(5))
            page.wait(f"{ROWS}.length >= 6")
            keys = page.run(f"{ROWS}.map(row => row.dataset.key)")
    assert sorted(keys) == ["e1", "e2", "e3", "e4", "e5", "s1"]


def test_a_new_database_at_the_same_address_is_noticed(browser: Browser) -> None:
    context, port = ExitStack(), lasting_port()
    with LocalSegOps() as first, DevServer(first, port=port) as server:
        url = server.info.url
        page = context.enter_context(browser.open(f"{url}/"))
        page.wait("document.querySelector('#live').innerText === 'live'")
        store(url, first, event(1), event(2))
        page.wait(f"{ROWS}.length === 2")
    with context, LocalSegOps() as second, DevServer(second, port=port):
        store(url, second, event(9))
        page.wait(f"{ROWS}.length === 1 && {FIRST}.innerText.includes('user-9')")
        choose(page, "users")  # with the new key
        page.wait("document.querySelector('#panel-users .row')?.innerText.includes('user-9')")


FRAME = (
    "new Promise(done => { const frames = []; let last = performance.now(); const tick = now => {"
    " frames.push(now - last); last = now;"
    " if (frames.length < 60) requestAnimationFrame(tick); else done(frames.sort((a, b) => a - b)[30]); };"
    " requestAnimationFrame(tick); })"
)
"""The median time between two frames, in milliseconds."""


def test_it_stays_quick_with_100000_events(page: Page, url: str, local: LocalSegOps) -> None:
    empty = page.run(FRAME)
    key = {"Authorization": f"ApiKey {local.secret_key}"}
    for start in range(0, 100_000, 500):
        body = json.dumps({"events": [event(number) for number in range(start, start + 500)]}).encode()
        assert ask(url, BATCH_PATH, body, headers=key)[0] == 202
    page.wait("document.querySelector('#total-events').textContent === '100,000'", timeout=60)
    page.wait(f"{FIRST}.dataset.key === 'e100000'", timeout=60)
    assert page.run(f"{ROWS}.length") <= 500
    assert min(page.run(FRAME) for _ in range(5)) < 3 * empty, "not once, whatever else the machine does"


def test_users_segments_referrals_requests_and_keys_are_shown(page: Page, url: str, local: LocalSegOps) -> None:
    fill(url, local)
    choose(page, "users")
    page.wait("document.querySelectorAll('#panel-users .row').length === 5")
    page.run(
        "[...document.querySelectorAll('#panel-users .row')].find(row => row.innerText.includes('user-1')).click()"
    )
    shown = page.wait(
        "document.querySelector('#panel-users .detail h2') && document.querySelector('#panel-users').innerText"
    )
    for part in ("Good customers", "plan", "pro", "ai_referral_session"):
        assert part in shown
    page.run("document.querySelector('#panel-users .chip').click()")
    shown = page.wait(
        "document.querySelector('#panel-segments [role=status] .tree')"
        " && document.querySelector('#panel-segments .detail').innerText"
    )
    for part in ("All of", "Any of", "count(order_placed) ≥ 2", "user-1 matches this segment.", "Matches:"):
        assert part in shown
    label = page.run("document.querySelector('#panel-segments svg[role=img]').getAttribute('aria-label')")
    assert re.match(r"Members over time: 5 on .*, 5 on ", label)
    page.run(
        "(box => { box.value = 'user-4'; box.form.requestSubmit(); })(document.querySelector('#panel-segments input'))"
    )
    page.wait("document.querySelector('#panel-segments [role=status]').innerText.includes('user-4')")
    page.run(
        "(box => { box.value = 'nobody'; box.form.requestSubmit(); })(document.querySelector('#panel-segments input'))"
    )
    choose(page, "referrals")
    shown = page.wait(
        "document.querySelector('#panel-referrals svg') && document.querySelector('#panel-referrals').innerText"
    )
    for part in ("chatgpt", "claude", "https://shop.example/p"):
        assert part in shown
    label = page.run("document.querySelector('#panel-referrals svg').getAttribute('aria-label')")
    assert label.startswith("AI referrals by day: 2 referrals in the 30 days")
    choose(page, "requests")
    page.wait("document.querySelectorAll('#panel-requests tbody tr').length >= 3")
    assert "segops dev page" not in page.run("document.querySelector('#panel-requests').innerText")
    choose(page, "connect")
    page.wait("document.querySelector('#panel-connect .secret')")
    assert local.secret_key not in page.run("document.documentElement.textContent")
    page.run("document.querySelector('#panel-connect button').click()")
    assert local.secret_key in page.run("document.querySelector('#panel-connect').innerText")
    page.run(
        "const fault = document.querySelector('#panel-connect input'); fault.value = 'GET /x 503 x2';"
        "fault.form.requestSubmit()"
    )
    page.wait("document.querySelector('.plain-list').innerText === 'GET /x 503 x2'")
    assert local.faults.pending() == ["GET /x 503 x2"]
    page.forget_complaints()  # Chromium logs the 404 for the unknown user


def test_it_can_be_used_by_keyboard_alone(page: Page, url: str, local: LocalSegOps) -> None:
    store(url, local, event(1), event(2))
    page.wait(f"{ROWS}.length === 2")
    page.press("Tab", 9)
    assert page.run("document.activeElement.className") == "skip-link"
    page.press("Tab", 9)
    assert page.run("document.activeElement.id") == "tab-events"
    assert page.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    for _ in TABS:
        page.press("ArrowRight", 39)
    assert page.run("document.activeElement.id") == "tab-connect"
    page.press("ArrowLeft", 37)
    assert page.run("document.activeElement.id") == "tab-requests"
    assert page.run("document.querySelectorAll('[role=tab][tabindex=\"0\"]').length") == 1
    page.press("Home", 36)
    for _ in range(5):  # the three filters, pause, the first row
        page.press("Tab", 9)
    assert page.run("document.activeElement.dataset.key") == "e2"
    page.press("ArrowDown", 40)
    page.press("Enter", 13, text="\r")
    page.wait("document.querySelector('#panel-events .detail h2')")
    assert page.run("document.activeElement.dataset.key") == "e1"
    page.press("Tab", 9)
    assert page.run("document.querySelector('.detail').contains(document.activeElement)")


def test_new_events_are_announced_now_and_then(page: Page, url: str, local: LocalSegOps) -> None:
    page.run(
        "window.said = [];"
        "new MutationObserver(() => window.said.push(document.querySelector('#announce').textContent))"
        ".observe(document.querySelector('#announce'), {childList: true, characterData: true, subtree: true}); 0"
    )
    for number in range(4):
        store(url, local, event(number))
    page.wait(f"{ROWS}.length === 4")
    assert page.run("window.said") == []
    page.wait("window.said.length === 1 && window.said[0] === '4 new events'")


AUDIT = Path(__file__).with_name("audit.js").read_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_every_tab_is_readable_wide_and_narrow_light_and_dark(
    page: Page, url: str, local: LocalSegOps, scheme: str, width: int
) -> None:
    fill(url, local)
    page.resize(width, 780, mobile=width < 500)
    page.prefer(prefers_color_scheme=scheme, prefers_reduced_motion="reduce")
    red, green, blue = map(
        int, page.run("getComputedStyle(document.documentElement).backgroundColor").split("(")[1][:-1].split(",")
    )
    assert (red + green + blue < 150) == (scheme == "dark")
    for tab in TABS:
        choose(page, tab)
        page.wait(f"document.querySelector('#panel-{tab} :is(.row, svg, tbody tr, .secret)')")
        page.run(f"document.querySelector('#panel-{tab} .row')?.click()")
        if tab in ("events", "users", "segments"):
            page.wait(f"document.querySelector('#panel-{tab} .detail h2')")
        assert page.run(AUDIT) == [], tab
        # A viewport that is laid out wider than the device is what a phone scrolls sideways.
        assert page.run("document.documentElement.scrollWidth") <= width, tab
        assert page.run("innerWidth") == width, tab


def test_on_a_phone_the_detail_takes_the_place_of_the_list(page: Page, url: str, local: LocalSegOps) -> None:
    store(url, local, event(1), event(2, payload={"w": "w" * 5000}))
    page.resize(360, 780, mobile=True)
    page.wait(f"{ROWS}.length === 2")
    page.run(f"{ROWS}[0].click()")
    page.wait("document.querySelector('.detail h2') && document.activeElement.classList.contains('close')")
    assert page.run(f"{ROWS}[0].getClientRects().length") == 0
    assert page.run("document.documentElement.scrollWidth") <= 360
    page.run("document.activeElement.click()")
    assert page.run("document.activeElement.dataset.key") == "e2"


def test_the_accessibility_tree_has_landmarks_and_roles(page: Page) -> None:
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    roles = [node["role"]["value"] for node in nodes if not node["ignored"]]
    for role in ("banner", "main", "tablist", "tab", "tabpanel", "status", "search", "heading", "list"):
        assert role in roles, role
    named = {node["role"]["value"]: node["name"]["value"] for node in nodes if node.get("name", {}).get("value")}
    assert named["search"] == "Filter events"
