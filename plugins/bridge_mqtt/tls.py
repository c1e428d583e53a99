"""Whom to trust and what to show when the broker speaks TLS."""

from __future__ import annotations

import ssl

from bridge import Stopped
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
    try:
        context = ssl.create_default_context(cafile=options.ca)
    except OSError as error:
        raise Stopped(f'ca: "{options.ca}" can\'t be used: {error.strerror or error}') from error
    if options.cert:
        try:
            context.load_cert_chain(options.cert, options.key)
        except OSError as error:
            raise Stopped(f'cert: "{options.cert}" with its key can\'t be used: {error.strerror or error}') from error
    context.sslsocket_class = _Socket
    if options.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
