"""The webhook output: every event is posted to a URL."""

from __future__ import annotations

from bridge import Output, hookimpl
from bridge_webhook.output import Webhook


@hookimpl
def register_outputs() -> list[type[Output]]:
    """Bring the output type `webhook`."""
    return [Webhook]
