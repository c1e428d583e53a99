"""TLS to the broker, with sockets that are closed in any case."""

from __future__ import annotations

import ssl

from bridge import client_tls
from bridge_mqtt.options import Options


class _Socket(ssl.SSLSocket):
    """Closes itself when its handshake fails; paho leaves that to the garbage collector."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise


def tls_context(options: Options) -> ssl.SSLContext:
    """The context to connect with; raises Stopped where a file can't be used. Reads files: not for the event loop."""
    context = client_tls(options.ca, insecure=options.insecure, cert=options.cert, key=options.key)
    context.sslsocket_class = _Socket
    return context
