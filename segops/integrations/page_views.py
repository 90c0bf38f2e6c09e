"""Decide which requests are page views, and track them as a policy says."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal

import msgspec

from segops import AiReferrers, SegOpsClient, SegOpsConfigError
from segops.core import PAGE_VIEWED
from segops.integrations import urls
from segops.integrations.policy import Policy, SkipReason
from segops.integrations.request import WebRequest, be_strict, report_once
from segops.plugins.ai_crawler import AiCrawler, detect_ai_crawler
from segops.plugins.ai_referrer import AI_REFERRAL_SESSION

COOKIE = "segops_anonymous_id"
AI_CRAWLER_VISIT = "ai_crawler_visit"

UNUSUAL_HEADERS = (
    *("sec-gpc", "dnt"),
    *("sec-purpose", "purpose", "x-moz"),
    *("hx-request", "x-requested-with"),
)
"""Headers that say that a request is not a page view, or that the visitor does not want to be tracked."""

_ANONYMOUS = "anonymous"
_ANONYMOUS_PREFIX = "anon_"  # as SegOps names a visitor of whom only the anonymous id is known
_MAX_AGE = 395 * 24 * 3600  # 13 months
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_OWN_SITE = frozenset({"same-origin", "same-site"})
_QUERY_HINTS = ("q", "query", "search")

_PREFETCH_HEADERS = ("sec-purpose", "purpose", "x-moz")
_CHECKERS = re.compile(
    r"kube-probe/|ELB-HealthChecker/|GoogleHC/|Amazon-Route53-Health-Check|Consul Health Check|Envoy/HC"
)
_CHECKED_PATHS = frozenset(
    (
        *("health", "healthz", "healthcheck", "health-check", "healthy", "heartbeat", "live", "livez", "liveness"),
        *("ping", "ready", "readyz", "readiness", "status", "up"),
    )
)
_MAX_USER_AGENT = 512
_MAX_HOST = 255
_MAX_PLAIN = 512
_SHARED = re.compile(r"\b(?:public|s-maxage)\b", re.IGNORECASE)
_MAX_AGE_DIRECTIVE = re.compile(r"\bmax-age\s*=\s*\"?0*[1-9]", re.IGNORECASE)
_NOT_SHARED = re.compile(r"\b(?:private|no-store|no-cache)\b", re.IGNORECASE)

_NOT_MODIFIED = 304


class PageViews:
    """Tracks the page views of one middleware.

    Args:
        client: The client that the events are tracked with.
        policy: What may be recorded.

    Attributes:
        sets_cookies: Whether the policy has cookies, so that each response must be looked at.

    Raises:
        SegOpsConfigError: One of them is something else.
    """

    def __init__(self, client: SegOpsClient, policy: Policy | None = None) -> None:
        if not isinstance(client, SegOpsClient):
            raise SegOpsConfigError(f"client must be a SegOpsClient, got {type(client).__name__}")
        if not isinstance(policy, Policy | None):
            raise SegOpsConfigError(f"policy must be a Policy or None, got {type(policy).__name__}")
        if client.strict:
            be_strict()
        self._policy = policy = policy or Policy()
        self._track = client.track
        self._keep = urls.query_filter(policy.keep_query)
        self._keep_hints = urls.query_filter((*policy.keep_query, *_QUERY_HINTS))
        self._referrers = _referrers_of(client)
        self._utm = None
        if self._referrers is not None and not self._referrers.utm:
            self._utm = msgspec.structs.replace(self._referrers, utm=True)
        self.sets_cookies = policy.anonymous == "cookie"
        self._has_ids = self.sets_cookies or callable(policy.anonymous)
        self._clean_plain_referrer = lru_cache(1024)(self._clean_referrer)

    def is_page(self, request: WebRequest, status: int, content_type: str | None) -> bool:
        """Return whether a request with such a response is a page view."""
        if request.method != "GET" or not (200 <= status < 300 or status == _NOT_MODIFIED):  # noqa: PLR2004 - success
            return False
        if content_type is None:
            is_sure = False
            if status != _NOT_MODIFIED:  # which may leave it out
                return False
        elif content_type[:9].lower() != "text/html" or content_type[9:10] not in "; \t,":
            return False
        else:
            is_sure = request.path.rpartition("/")[2].lstrip("_-").lower() not in _CHECKED_PATHS
        if request.is_unusual() and _is_prefetch_or_fragment(request):
            return False
        return is_sure or "text/html" in (request.header("accept") or "").lower()

    def cookie(self, request: WebRequest, cache_control: str | None) -> str | None:
        """Return the value of the `Set-Cookie` header to add to a response that is about to start, if any."""
        try:
            if request.is_logged_out or (request.is_page and not request.is_skipped and _kind_of(request) is None):
                self._new_or_known_id(request)
            request.has_started = True
            if request.new_id is None or _is_shared(cache_control or ""):
                return None
            request.is_new_id_sent = True
            secure = "; Secure" if self._scheme(request) == "https" else ""
        except Exception as error:  # noqa: BLE001 - the application's own functions must not break a response
            report(error)
            return None
        return f"{COOKIE}={request.new_id}; Max-Age={_MAX_AGE}; Path=/; HttpOnly; SameSite=Lax{secure}"

    def anonymous_id(self, request: WebRequest) -> str | None:
        """Return the id of a visitor, if the policy allows one."""
        if not self._has_ids:
            return None
        try:
            return self._new_or_known_id(request)
        except Exception as error:  # noqa: BLE001 - the application's own functions must not break its endpoint
            report(error)
            return None

    def track(self, request: WebRequest) -> None:
        """Track a page view, unless the policy leaves it out."""
        try:
            self._track_visit(request)
        except Exception as error:  # noqa: BLE001 - nothing here may break a response
            report(error)

    def _track_visit(self, request: WebRequest) -> None:
        policy = self._policy
        if request.is_skipped:
            policy.observer.on_skip("skip_page_view")
            return
        is_private = request.is_unusual() and self._is_private(request)
        if is_private and policy.gpc == "drop":
            policy.observer.on_skip("gpc")
            return
        kind = _kind_of(request)
        if kind is not None:
            if kind != "checker":
                self._track_crawler(request, kind)
            return
        who = self._who(request, is_private=is_private)
        if isinstance(who, str):
            policy.observer.on_skip(who)
            return
        page = self._page(request)
        if page is None:
            policy.observer.on_skip("page")
            return
        if policy.ip != "none" and not is_private and (address := self._address(request)):
            page["ip"] = address
        user_id, anonymous_id = who
        self._track(user_id=user_id, event_type=PAGE_VIEWED, payload=page, anonymous_id=anonymous_id)
        if self._utm is not None and request.query:
            self._track_utm_referral(page, user_id, anonymous_id)

    def _who(self, request: WebRequest, *, is_private: bool) -> tuple[str, str | None] | SkipReason:
        """Return the user id and the anonymous id of a page view, or why there is none."""
        if not self._consents(request):
            return "consent"
        user_id, anonymous_id = (None, None) if is_private else (request.user_id, None)
        if self._has_ids and not is_private:
            anonymous_id = self._new_or_known_id(request)
            if request.new_id is not None and not request.is_new_id_sent:
                anonymous_id = None  # the next request would not know it
        if user_id is not None:
            return user_id, anonymous_id
        if self._policy.anonymous == "skip":
            return "anonymous"
        return (_ANONYMOUS_PREFIX + anonymous_id, anonymous_id) if anonymous_id else (_ANONYMOUS, None)

    def _page(self, request: WebRequest) -> dict[str, Any] | None:
        """Return what is recorded about the page; None if the policy says that it is none."""
        path = request.encoded_path()
        choose = self._policy.page
        if choose is not None:
            chosen = choose(request.path)
            if chosen is None:
                return None
            path = urls.encode_path(chosen)
        if len(path) > urls.MAX_URL:
            path = path[: urls.MAX_URL]
        page: dict[str, Any] = {"path": path}
        host = request.header("host") or ""
        origin = _origin(self._scheme(request), host) if len(host) <= _MAX_HOST else None
        if origin:
            query = request.query and self._keep(request.query)
            page["url"] = f"{origin}{path}?{query}" if query else origin + path
        referrer = request.header("referer")
        if referrer:
            if choose is not None:
                is_own_site = request.header("sec-fetch-site") in _OWN_SITE  # also where a proxy changes the host
                referrer = self._clean_referrer(referrer, choose, None if is_own_site else host)
            elif len(referrer) <= _MAX_PLAIN and "?" not in referrer:  # the same few pages refer to most others
                referrer = self._clean_plain_referrer(referrer)
            else:
                referrer = self._clean_referrer(referrer)
            if referrer:
                page["referrer"] = referrer
        return page

    def _clean_referrer(
        self, text: str, choose: Callable[[str], str | None] | None = None, own_host: str | None = None
    ) -> str | None:
        """Return what is recorded of a referrer; `choose` is for those of one host, or for this one in any case."""
        parts = urls.split_referrer(text)
        if parts is None:
            return None
        scheme, referring_host, path, query = parts
        if choose is not None and own_host in {None, referring_host}:
            chosen = choose(urls.decode_path(path))
            path, query = ("/", "") if chosen is None else (urls.encode_path(chosen), query)
        if query:
            is_assistant = self._referrers is not None and self._referrers.detect(text) is not None
            query = (self._keep_hints if is_assistant else self._keep)(query)
        return f"{scheme}://{referring_host}{path}?{query}" if query else f"{scheme}://{referring_host}{path}"

    def _track_utm_referral(self, page: dict[str, Any], user_id: str, anonymous_id: str | None) -> None:
        """Track a referral that only `utm_source` shows; the client's own plugin sees those that a referrer shows."""
        referrer = page.get("referrer")
        is_known = self._referrers is None or self._referrers.detect(referrer) is not None
        referral = None if is_known or self._utm is None else self._utm.detect(referrer, page.get("url"))
        if referral is None:
            return
        payload = msgspec.structs.asdict(referral)
        self._track(user_id=user_id, event_type=AI_REFERRAL_SESSION, payload=payload, anonymous_id=anonymous_id)

    def _track_crawler(self, request: WebRequest, crawler: AiCrawler) -> None:
        bots = self._policy.bots
        if bots == "drop":
            return
        self._policy.observer.on_crawler(crawler)
        if bots == "send" and (page := self._page(request)):
            payload = {**msgspec.structs.asdict(crawler), **page}
            self._track(user_id=f"ai-crawler:{crawler.name}", event_type=AI_CRAWLER_VISIT, payload=payload)

    def _new_or_known_id(self, request: WebRequest) -> str | None:
        policy = self._policy
        if self._is_private(request) or not self._consents(request):
            return None
        if not self.sets_cookies:
            return policy.anonymous(request) or None if callable(policy.anonymous) else None
        if request.new_id is None:
            known = request.cookie(COOKIE)
            if known and _UUID.fullmatch(known) and not request.is_logged_out:
                return known
            if not request.has_started:
                from uuid import uuid4  # noqa: PLC0415 - only for policies with cookies

                request.new_id = str(uuid4())
        return request.new_id

    def _is_private(self, request: WebRequest) -> bool:
        return self._policy.gpc != "ignore" and "1" in (request.header("sec-gpc"), request.header("dnt"))

    def _consents(self, request: WebRequest) -> bool:
        consent = self._policy.consent
        if consent is None:
            return True
        if request.consents is None:
            request.consents = bool(consent(request))
        return request.consents

    def _scheme(self, request: WebRequest) -> str:
        count = self._policy.trusted_proxies
        if count and (forwarded := request.header("x-forwarded-proto")):
            schemes = forwarded.lower().split(",")
            scheme = schemes[-min(count, len(schemes))].strip()
            if scheme in {"http", "https"}:
                return scheme
        return request.scheme

    def _address(self, request: WebRequest) -> str | None:
        policy = self._policy
        address = urls.client_address(request.peer, request.header("x-forwarded-for"), policy.trusted_proxies)
        return urls.record_address(address, truncate=policy.ip == "truncate")


def _referrers_of(client: SegOpsClient) -> AiReferrers | None:
    """Return how a client detects AI referrals; None if it does not, or in a way of its own."""
    plugin = client.plugin(AiReferrers.name)
    if isinstance(plugin, AiReferrers):
        return plugin
    return AiReferrers() if getattr(plugin, "__name__", "") == AiReferrers.__module__ else None


def _is_prefetch_or_fragment(request: WebRequest) -> bool:
    if any(request.header(name) for name in _PREFETCH_HEADERS) or request.header("hx-request"):
        return True
    requested_with = request.header("x-requested-with")
    return bool(requested_with) and "." not in str(requested_with)  # Android's browsers in apps send the app's name


def _is_shared(cache_control: str) -> bool:
    """Return whether a shared cache may keep a response, and show its cookie to others."""
    if _SHARED.search(cache_control):
        return True
    return bool(_MAX_AGE_DIRECTIVE.search(cache_control)) and not _NOT_SHARED.search(cache_control)


def _kind_of(request: WebRequest) -> AiCrawler | Literal["checker"] | None:
    user_agent = request.header("user-agent")
    return _kind_of_agent(user_agent[:_MAX_USER_AGENT]) if user_agent else None


@lru_cache(1024)
def _kind_of_agent(user_agent: str) -> AiCrawler | Literal["checker"] | None:
    return "checker" if _CHECKERS.search(user_agent) else detect_ai_crawler(user_agent)


@lru_cache(256)
def _origin(scheme: str, host: str) -> str | None:
    return f"{scheme}://{host}" if urls.is_host(host) else None


def report(error: Exception) -> None:
    """Log what kept a visit from being tracked, once: nothing here may change a response."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" by {trace.tb_frame.f_code.co_name}()" if trace else ""
    report_once(
        "segops.integrations.failed", f"a visit was not tracked: {type(error).__name__} was raised{place}; fix it there"
    )
