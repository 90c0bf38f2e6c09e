"""The table of AI assistants and their domains."""

from __future__ import annotations

import msgspec

from segops.core import SegOpsConfigError


class Provider(msgspec.Struct, frozen=True):
    """An AI assistant.

    Attributes:
        id: The value of `source_provider`, such as "chatgpt".
        name: The display name, such as "ChatGPT".
        domains: Host names, which include their subdomains. "example.org/chat" matches only that page and those below.
        utm_sources: Values of `utm_source` on its links, in lower case.
        android_apps: Package names of its Android apps, which send referrers such as "android-app://com.openai.chatgpt/".

    Raises:
        SegOpsConfigError: `id` is empty, or one of the tuples is not a tuple of str.
    """

    id: str
    name: str
    domains: tuple[str, ...] = ()
    utm_sources: tuple[str, ...] = ()
    android_apps: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the types: a str in the place of a tuple is a common mistake."""
        if not isinstance(self.id, str) or not self.id:
            raise SegOpsConfigError(f"provider id must be a non-empty string such as 'chatgpt', got {self.id!r}")
        for field in ("domains", "utm_sources", "android_apps"):
            values = getattr(self, field)
            if not isinstance(values, tuple) or not all(isinstance(value, str) for value in values):
                raise SegOpsConfigError(
                    f"provider {self.id!r}: {field} must be a tuple of str such as ('example.org',), got {values!r}"
                )


PROVIDERS: tuple[Provider, ...] = (
    Provider(
        "chatgpt",
        "ChatGPT",
        ("chatgpt.com", "chat.openai.com"),
        ("chatgpt.com", "chatgpt", "chat.openai.com", "openai"),
        ("com.openai.chatgpt",),
    ),
    Provider(
        "perplexity",
        "Perplexity",
        ("perplexity.ai",),
        ("perplexity", "perplexity.ai"),
        ("ai.perplexity.app.android",),
    ),
    Provider("claude", "Claude", ("claude.ai",), ("claude", "claude.ai"), ("com.anthropic.claude",)),
    Provider(
        "gemini",
        "Gemini",
        ("gemini.google.com",),
        ("gemini", "gemini.google.com"),
        ("com.google.android.apps.bard",),
    ),
    Provider("grok", "Grok", ("grok.com", "x.com"), ("grok", "grok.com"), ("ai.x.grok",)),
)
"""The providers that are detected by default.

Source: docs/ai-referrals.md, for ids and domains.
"""

MORE_PROVIDERS: tuple[Provider, ...] = (
    Provider(
        "copilot",
        "Microsoft Copilot",
        (
            *("copilot.microsoft.com", "copilot.com", "copilot.cloud.microsoft", "m365.cloud.microsoft/chat"),
            *("bing.com/chat", "edgeservices.bing.com"),  # the latter is Copilot in the sidebar of Edge
        ),
        ("copilot", "copilot.com", "copilot.microsoft.com"),
        ("com.microsoft.copilot",),
    ),
    Provider("deepseek", "DeepSeek", ("deepseek.com",), ("deepseek", "deepseek.com"), ("com.deepseek.chat",)),
    Provider("le_chat", "Le Chat", ("chat.mistral.ai",), ("mistral", "mistral.ai", "chat.mistral.ai")),
    Provider("meta_ai", "Meta AI", ("meta.ai",), ("meta.ai",)),
    Provider("you", "You.com", ("you.com",), ("you.com",)),
    Provider("qwen", "Qwen", ("qwen.ai", "qwen.com"), ("qwen", "qwen.ai", "chat.qwen.ai")),
    Provider("poe", "Poe", ("poe.com",), ("poe", "poe.com"), ("com.poe.android",)),
    Provider("phind", "Phind", ("phind.com",), ("phind", "phind.com")),
    Provider("kimi", "Kimi", ("kimi.com", "kimi.ai", "kimi.moonshot.cn"), ("kimi", "kimi.com")),
    Provider("duck_ai", "Duck.ai", ("duck.ai",), ("duck.ai",)),
    Provider("doubao", "Doubao", ("doubao.com",), ("doubao", "doubao.com")),
    Provider("zai", "Z.ai", ("z.ai",), ("z.ai", "chat.z.ai")),
    Provider("huggingchat", "HuggingChat", ("huggingface.co/chat",), ("huggingchat",)),
    Provider("pi", "Pi", ("pi.ai",), ("pi.ai",)),
    Provider("genspark", "Genspark", ("genspark.ai",), ("genspark", "genspark.ai")),
    Provider("gemini", "Gemini", ("bard.google.com",), ("bard", "bard.google.com")),  # its name until 2024
    Provider("notebooklm", "NotebookLM", ("notebooklm.google.com",), ("notebooklm", "notebooklm.google.com")),
    Provider("iask", "iAsk", ("iask.ai",), ("iask", "iask.ai")),
    Provider("baidu", "Baidu AI", ("yiyan.baidu.com", "chat.baidu.com", "ai.baidu.com"), ("yiyan.baidu.com",)),
    Provider("chatglm", "ChatGLM", ("chatglm.cn",), ("chatglm", "chatglm.cn")),
    Provider("jasper", "Jasper", ("app.jasper.ai",), ("jasper.ai",)),
)
"""More providers, detected with `AiReferrers(more=True)`.

Source: Matomo's public list of assistants (AIAssistants.yml of github.com/matomo-org/searchengine-and-social-list) has
the domains of Baidu, ChatGLM, Copilot, DeepSeek, Gemini, iAsk, Jasper, Le Chat, Meta AI, NotebookLM, Qwen and You.com.
The others, chat.baidu.com, and the further domains of Microsoft are the addresses of the vendors.
"""
