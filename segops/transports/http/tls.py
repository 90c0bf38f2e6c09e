"""Create the TLS context, and explain TLS errors.

OpenSSL and Python read SSLKEYLOGFILE, SSL_CERT_FILE, SSL_CERT_DIR and OPENSSL_CONF from the environment. An error that
one of these causes names it.
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from segops.core import SegOpsConfigError
from segops.utils import absolute_path


def make_context(ca_file: str | os.PathLike[str] | None = None) -> ssl.SSLContext:
    """Return the TLS context of a client that verifies certificates.

    Args:
        ca_file: A PEM file with the certificate authorities to trust instead of the system's.

    Raises:
        SegOpsConfigError: The file or a setting from the environment is unusable.
    """
    path = None if ca_file is None else absolute_path("ca_file", ca_file)
    try:
        return ssl.create_default_context(cafile=path)
    except (OSError, ValueError) as error:
        raise SegOpsConfigError(_explain(error, path)) from error


def describe(error: Exception) -> str | None:
    """Explain a failed exchange if TLS settings are the cause; None otherwise."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"the certificate is not trusted ({error.verify_message}); pass ca_file to trust your own authority"
            f"{_describe_authorities()}"
        )
    if isinstance(error, OSError) and error.filename is not None:  # an exchange opens no other file
        return _describe_key_log(error.filename, error.strerror)
    if isinstance(error, ssl.SSLError) and error.library == "BIO" and (key_log := os.environ.get("SSLKEYLOGFILE")):
        return _describe_key_log(key_log, str(error))  # for example on a full disk
    return None


def _explain(error: Exception, ca_file: str | None) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return _describe_key_log(error.filename, error.strerror)
    reason = (error.strerror if isinstance(error, OSError) else None) or error
    if ca_file is not None and _is_unusable(ca_file):
        return f"ca_file {ca_file} is unusable ({reason}): pass a readable PEM file"
    configuration = os.environ.get("OPENSSL_CONF")
    if configuration:
        return f"the TLS settings in OPENSSL_CONF={configuration} are unusable ({reason}): correct or unset it"
    return f"the TLS settings of this machine are unusable ({reason}): check the OpenSSL configuration"


def _is_unusable(ca_file: str) -> bool:
    """Return whether the file is the problem, rather than OpenSSL."""
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
    return f"SSLKEYLOGFILE={path} cannot be written ({reason}): unset SSLKEYLOGFILE, or set it to a writable file"


def _describe_authorities() -> str:
    """List the variables that set the trusted authorities, and say which are unreadable."""
    sources = []
    if file := os.environ.get("SSL_CERT_FILE"):
        sources.append(f"SSL_CERT_FILE={file}{_unreadable(Path(file).is_file() and os.access(file, os.R_OK))}")
    if folders := os.environ.get("SSL_CERT_DIR"):
        sources.append(f"SSL_CERT_DIR={folders}{_unreadable(any(map(os.path.isdir, folders.split(os.pathsep))))}")
    return f" (trusted authorities: {'; '.join(sources)})" if sources else ""


def _unreadable(is_readable: bool) -> str:  # noqa: FBT001 - private
    return "" if is_readable else ", which cannot be read"
