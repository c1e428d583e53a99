"""Who signed in: sessions by cookie, and the token that a form must bring so that a change is surely meant."""

from __future__ import annotations

import hmac
import secrets
import time
from typing import Final

from starlette.requests import HTTPConnection

SESSION: Final = "boxbridge.session"
"""Where a request's scope names its session; it has none where nobody has to sign in."""
COOKIE: Final = "boxbridge-session"
LONGEST_SECONDS: Final = 12 * 3600.0
"""A session ends so long after it was last used."""
_MOST: Final = 1000


class Sessions:
    """All sessions of this process: a restart ends them."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._used: dict[str, float] = {}
        """When each was last used, the longest unused first."""

    def begin(self) -> str:
        """A new one; the longest unused ends where there are too many."""
        while len(self._used) >= _MOST:
            del self._used[next(iter(self._used))]
        session = secrets.token_urlsafe(32)
        self._used[session] = time.monotonic()
        return session

    def use(self, session: str) -> bool:
        """Whether it goes on; it is used by that."""
        used = self._used.pop(session, None)
        if used is None or time.monotonic() - used > LONGEST_SECONDS:
            return False
        self._used[session] = time.monotonic()
        return True

    def end(self, session: str) -> None:
        """Sign out."""
        self._used.pop(session, None)

    def end_all(self) -> None:
        """Sign everybody out."""
        self._used.clear()

    def token(self, session: str) -> str:
        """What the forms of its pages bring; a page from elsewhere can't know it. `""` is who need not sign in."""
        return hmac.digest(self._key, session.encode(), "sha256").hex()

    def is_token(self, session: str, token: str) -> bool:
        """Whether a form is of one of its pages."""
        return hmac.compare_digest(self.token(session).encode(), token.encode())


def session_of(request: HTTPConnection) -> str:
    """The session of a request; empty where nobody has to sign in."""
    session: str = request.scope.get(SESSION, "")
    return session
