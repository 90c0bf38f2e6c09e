"""TLS settings, and what to say of them when they cannot be used.

OpenSSL and Python take some of them from the environment: SSLKEYLOGFILE, SSL_CERT_FILE, SSL_CERT_DIR, OPENSSL_CONF.
Whoever reads an error about one of these must learn which variable it was.
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from segops.core import SegOpsConfigError
from segops.utils import absolute_path


def make_context(ca_file: str | os.PathLike[str] | None = None) -> ssl.SSLContext:
    """Return the settings of a client: certificates are checked.

    Args:
        ca_file: A PEM file with the certificate authorities to trust in place of the system's.

    Raises:
        SegOpsConfigError: The file, or what the environment asks for, cannot be used.
    """
    path = None if ca_file is None else absolute_path("ca_file", ca_file)
    try:
        return ssl.create_default_context(cafile=path)
    except (OSError, ValueError) as error:
        raise SegOpsConfigError(_explain(error, path)) from error


def describe(error: Exception) -> str | None:
    """Say what a failed exchange has to do with these settings; None if nothing."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"its certificate was refused ({error.verify_message}); for an authority of your own pass ca_file"
            f"{_describe_authorities()}"
        )
    if isinstance(error, OSError) and error.filename is not None:  # nothing else of an exchange is a file
        return _describe_key_log(error.filename, error.strerror)
    if isinstance(error, ssl.SSLError) and error.library == "BIO" and (key_log := os.environ.get("SSLKEYLOGFILE")):
        return _describe_key_log(key_log, str(error))  # as on a full disk
    return None


def _explain(error: Exception, ca_file: str | None) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return _describe_key_log(error.filename, error.strerror)
    reason = (error.strerror if isinstance(error, OSError) else None) or error
    if ca_file is not None and _is_refused(ca_file):
        return f"ca_file {ca_file} cannot be used ({reason}): pass a readable PEM file"
    configuration = os.environ.get("OPENSSL_CONF")
    if configuration:
        return f"the TLS settings in OPENSSL_CONF={configuration} cannot be used ({reason}): correct or unset it"
    return f"the TLS settings of this machine cannot be used ({reason}): check the configuration of OpenSSL"


def _is_refused(ca_file: str) -> bool:
    """Tell whether it is this file that cannot be used, rather than OpenSSL."""
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    except OSError:
        return False
    try:
        context.load_verify_locations(ca_file)
    except (OSError, ValueError):
        return True
    return False


def _describe_key_log(path: str, reason: str | None) -> str:
    return (
        f"the file {path} that SSLKEYLOGFILE names cannot be written ({reason}): "
        "unset SSLKEYLOGFILE, or let it name a file that can be written"
    )


def _describe_authorities() -> str:
    """Say which variables name the authorities that are trusted, and whether they can be read."""
    said = []
    if file := os.environ.get("SSL_CERT_FILE"):
        can_be_read = Path(file).is_file() and os.access(file, os.R_OK)
        said.append(_describe_source("SSL_CERT_FILE", file, can_be_read=can_be_read))
    if folders := os.environ.get("SSL_CERT_DIR"):
        can_be_read = any(Path(folder).is_dir() for folder in folders.split(os.pathsep))
        said.append(_describe_source("SSL_CERT_DIR", folders, can_be_read=can_be_read))
    return f" (trusted are those in {'; '.join(said)})" if said else ""


def _describe_source(name: str, value: str, *, can_be_read: bool) -> str:
    return f"{name}={value}{'' if can_be_read else ', which cannot be read'}"
