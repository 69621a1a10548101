"""Authorities, the certificates that they issue, and what clients need to speak TLS: by openssl, with keys of P-256."""

import re
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

P256 = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
DAYS = 30
ADDRESS = re.compile(r"[0-9.]+")
#: What openssl 3 leaves out unless it is told so.
OLD = "DEFAULT:@SECLEVEL=0"
TLS_1_1, TLS_1_2, TLS_1_3 = ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


@dataclass(frozen=True)
class Certificate:
    """Two PEM files."""

    chain: Path
    key: Path


def openssl(*arguments: str | Path) -> None:
    """One command; raises OSError with what it says where it fails."""
    done = subprocess.run(
        ["openssl", *map(str, arguments)], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode != 0:
        raise OSError(f"openssl {arguments[0]}: {done.stderr.strip()}")


class Authority:
    """Signs; its own certificate is `<name>.pem` of its folder, in place of another one of that name."""

    def __init__(self, folder: Path, name: str = "ca"):
        self.folder = folder
        self.own = Certificate(folder / f"{name}.pem", folder / f"{name}.key")
        to = ("-keyout", self.own.key, "-out", self.own.chain, "-subj", f"/CN={name}")
        openssl("req", "-x509", *P256, "-days", str(DAYS), *to)

    def issue(self, file: str, *names: str, usage: str = "serverAuth,clientAuth", days: int = DAYS) -> Certificate:
        """`<file>.pem` and its key, good for these names and IPv4 addresses; with negative days it is over already."""
        one = Certificate(self.folder / f"{file}.pem", self.folder / f"{file}.key")
        request, extensions = self.folder / f"{file}.csr", self.folder / f"{file}.ext"
        alternatives = ",".join(f"{'IP' if ADDRESS.fullmatch(name) else 'DNS'}:{name}" for name in names)
        extensions.write_text(
            f"subjectAltName={alternatives}\nextendedKeyUsage={usage}\nbasicConstraints=CA:FALSE\n", "utf-8"
        )
        openssl("req", *P256, "-keyout", one.key, "-out", request, "-subj", f"/CN={file}")
        by = ("-CA", self.own.chain, "-CAkey", self.own.key, "-CAcreateserial", "-days", str(days))
        openssl("x509", "-req", "-in", request, *by, "-out", one.chain, "-extfile", extensions)
        return one

    def trusted(self, own: Certificate | None = None, only: ssl.TLSVersion | None = None) -> ssl.SSLContext:
        """How a client speaks TLS that trusts this authority alone, and checks the host's name."""
        context = client_context(own, only)
        context.load_verify_locations(self.own.chain)
        return context


def unchecked(own: Certificate | None = None, only: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """The same of a client that takes any certificate."""
    context = client_context(own, only)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def client_context(own: Certificate | None, only: ssl.TLSVersion | None) -> ssl.SSLContext:
    """A client's, with a certificate of its own and one version only where they are given."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if own:
        context.load_cert_chain(own.chain, own.key)
    if only:
        context.minimum_version = context.maximum_version = only
    return context
