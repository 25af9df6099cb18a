"""The controller's certificate at the broker: how it is shown, and what it is checked against.

In the enrolment folder: `tls.key`, `tls.crt`, and `ca.crt`, the hub's authority. Certificates are
judged by the machine's own clock, for that is the one OpenSSL looks at.
"""

from __future__ import annotations

import ssl
from pathlib import Path

FILES = ("ca.crt", "tls.crt", "tls.key")


def context(folder: Path) -> ssl.SSLContext:
    """TLS with this controller's certificate, to a broker that has one of the hub's authority.

    Raises:
        OSError: a file is missing, or key and certificate do not belong together.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # The authority makes certificates to be connected to for its broker alone, so the name adds
    # nothing; and a broker may be dialled at any address, over a second line too.
    made.check_hostname = False
    made.load_verify_locations(folder / "ca.crt")
    made.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    return made
