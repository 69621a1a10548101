"""The cluster of the phones: the quickstart's, at addresses of the namespaces and with short sessions."""

import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "tlib"))
from certificates import Authority  # noqa: E402

READY_WAIT_S = 15.0
NODE_PORTS = "ports: {sip: 5070, default: 7010, TCport: 7011, IPport: 7012, SmartProxy: 7013}"
RELOADED = "configuration reloaded"
SHOWN_WITHIN_S = 5.0
HTTP = "http://127.0.0.1:8080"


class ClusterError(Exception):
    """The cluster did not start, or does not answer."""


def configuration(quickstart: str, proxies: tuple[str, str], trunk: str, by_tls: bool) -> str:
    """The quickstart with these addresses, and sessions of 90 s; raises ClusterError when it reads otherwise."""
    for old, new, times in (
        ('contact: "127.0.0.1:5080"', f'contact: "{trunk}"', 1),
        ("host: 127.0.0.1", f"host: {proxies[0]}", 2),
        ("host: 127.0.0.2", f"host: {proxies[1]}", 2),
        # both nodes are on one loopback here: without the ports of clients
        (NODE_PORTS, "ports: {sip: 5070}, options: {session-refresh-interval: 90, sip-digest-algorithm: md5}", 2),
        ("ports: {sip: 5060}", "ports: {sip: 5060, sips: 5061}" if by_tls else "ports: {sip: 5060}", 2),
        ("oos-force: 1}", "oos-force: 1, certificate: proxy.pem, certificate-key: proxy.key}" if by_tls else "oos-force: 1}", 2),
    ):
        if quickstart.count(old) != times:
            raise ClusterError(f"config/quickstart.yaml has not {times} times {old!r}")
        quickstart = quickstart.replace(old, new)
    return quickstart


class Cluster:
    """One process with all applications."""

    def __init__(self, repo: Path, binary: Path, folder: Path, proxies: tuple[str, str], trunk: str, by_tls: bool):
        self.repo = repo
        self.binary = binary
        self.folder = folder
        self.proxies = proxies
        self.trunk = trunk
        self.by_tls = by_tls
        self.authority: Authority | None = None
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        """Starts it and waits until it is ready."""
        if not self.binary.is_file():
            raise ClusterError(f"no binary at {self.binary}: cargo build --release")
        if self.by_tls:
            self.certify()
        quickstart = (self.repo / "config/quickstart.yaml").read_text("utf-8")
        text = configuration(quickstart, self.proxies, self.trunk, self.by_tls)
        (self.folder / "cluster.yaml").write_text(text, "utf-8")
        with open(self.folder / "cluster.log", "wb") as log:
            self.process = subprocess.Popen(
                [str(self.binary), "run", str(self.folder / "cluster.yaml")],
                cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        until = time.monotonic() + READY_WAIT_S
        while True:
            try:
                self.get("/readyz")
                return
            except ClusterError as error:
                if self.process.poll() is not None or time.monotonic() > until:
                    raise ClusterError(f"the cluster is not ready: {error}") from error
            time.sleep(0.1)

    def certify(self) -> None:
        """New certificates for the proxies, of the authority that there is or of a new one."""
        self.authority = self.authority or Authority(self.folder)
        self.authority.issue("proxy", *self.proxies)

    def exchange(self) -> None:
        """It has other certificates from now on."""
        self.certify()
        before = self.log().count(RELOADED)
        self.process.send_signal(signal.SIGHUP)
        until = time.monotonic() + READY_WAIT_S
        while self.log().count(RELOADED) == before:
            if time.monotonic() > until:
                raise ClusterError(f"it does not say that its configuration is reloaded\n{self.tail()}")
            time.sleep(0.05)

    def log(self) -> str:
        """All that it has said."""
        return (self.folder / "cluster.log").read_text("utf-8", "replace")

    def get(self, path: str) -> str:
        """Body of a 200; raises ClusterError for anything else."""
        try:
            with urllib.request.urlopen(HTTP + path, timeout=2) as answer:
                return answer.read().decode("utf-8", "replace")
        except (OSError, urllib.error.URLError) as error:
            raise ClusterError(f"{HTTP}{path}: {error}") from error

    def shows(self, path: str, texts: list[str]) -> bool:
        """Whether the page has all these texts, some seconds later at most: it is written from time to time."""
        until = time.monotonic() + SHOWN_WITHIN_S
        while not all(text in self.get(path) for text in texts):
            if time.monotonic() > until:
                return False
            time.sleep(0.1)
        return True

    def calls_end(self) -> bool:
        """Whether no node holds a call some seconds later at most."""
        until = time.monotonic() + SHOWN_WITHIN_S
        while json.loads(self.get("/api/v1/calls"))["calls"]:
            if time.monotonic() > until:
                return False
            time.sleep(0.1)
        return True

    def tail(self) -> str:
        """The end of its log."""
        path = self.folder / "cluster.log"
        return "\n".join(path.read_text("utf-8", "replace").splitlines()[-15:]) if path.is_file() else ""

    def stop(self) -> None:
        """Ends it."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
