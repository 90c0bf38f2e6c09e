"""Find the provider that a URL belongs to."""

from __future__ import annotations

from collections.abc import Iterable

from segops.core import SegOpsConfigError
from segops.plugins.ai_referrer.providers import Provider
from segops.plugins.ai_referrer.urls import ascii_host, read_url, utm_sources


class Matcher:
    """Lookup tables of the domains of providers.

    If two providers have the same domain, the first one wins. Subdomains go before their parent domains, and longer
    paths before shorter ones.

    Raises:
        SegOpsConfigError: A domain or an app of a provider is not a host name.
    """

    __slots__ = ("_apps", "_domains", "_utm_sources")

    def __init__(self, providers: Iterable[Provider]) -> None:
        self._domains: dict[str, dict[str, str]] = {}
        self._apps: dict[str, str] = {}
        self._utm_sources: dict[str, str] = {}
        for provider in providers:
            self._add(provider)
        for host, paths in self._domains.items():
            self._domains[host] = dict(sorted(paths.items(), key=lambda item: -len(item[0])))

    def by_referrer(self, referrer: str) -> str | None:
        """Return the id of the provider that the host of `referrer` belongs to."""
        url = read_url(referrer)
        if url is None:
            return None
        if url.app:
            return self._apps.get(url.host)
        domain = url.host
        while domain:
            for prefix, provider in self._domains.get(domain, {}).items():
                if not prefix or url.path == prefix or url.path.startswith(prefix + "/"):
                    return provider
            domain = domain.partition(".")[2]
        return None

    def by_utm_source(self, landing_url: str) -> str | None:
        """Return the id of the provider that matches a `utm_source` of `landing_url`."""
        known = (self._utm_sources.get(source) for source in utm_sources(landing_url))
        return next((provider for provider in known if provider), None)

    def _add(self, provider: Provider) -> None:
        for domain in provider.domains:
            host, slash, path = domain.partition("/")
            prefix = (slash + path).rstrip("/")
            self._domains.setdefault(_host(host, provider), {}).setdefault(prefix, provider.id)
        for app in provider.android_apps:
            self._apps.setdefault(_host(app, provider), provider.id)
        for source in provider.utm_sources:
            self._utm_sources.setdefault(source.lower(), provider.id)


def _host(text: str, provider: Provider) -> str:
    host = ascii_host(text)
    if host is None:
        raise SegOpsConfigError(
            f"provider {provider.id!r}: {text!r} is not a host name: write it without scheme, port, and wildcard, such "
            "as 'chat.example.org' or 'example.org/chat'"
        )
    return host
