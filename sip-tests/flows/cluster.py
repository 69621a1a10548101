"""Two SIP Proxies with all transports and two nodes, in one process on loopback."""

import secrets
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
HTTP = "http://127.0.0.1:8080"
CONFIGURATION = """\
http: 127.0.0.1:8080
threading: shared
{handover}
switches:
  - name: SIP_Cluster
    type: sip-switch
    domains: [example.com]
    dns:
      - name: SIP_Cluster_DN
        type: voip-service
        options:
          service-type: sip-cluster-nodes
          applications: [SIPS_dc1_1, SIPS_dc1_2]
          siproxy-applications: [SIPProxy_dc1_1, SIPProxy_dc1_2]
          sip-enable-strict-auth: {strict}
      - {{name: SIPProxy_DN, type: voip-service, options: {{service-type: sip-outbound-proxy}}}}
      - {{name: "7001-7099", type: extension, password: "secret-{{dn}}", options: {{contact: "*"}}}}
applications:
  - {{name: SIPS_dc1_1, role: node, switch: SIP_Cluster, geo-location: dc1, host: 127.0.0.1, ports: {{sip: 5070}}, options: {{sip-digest-algorithm: md5}}}}
  - {{name: SIPS_dc1_2, role: node, switch: SIP_Cluster, geo-location: dc1, host: 127.0.0.2, ports: {{sip: 5070}}, options: {{sip-digest-algorithm: md5}}}}
{proxies}"""
PROXY = """\
  - name: SIPProxy_dc1_{number}
    role: sip-proxy
    switch: SIP_Cluster
    geo-location: dc1
    host: 127.0.0.{number}
    ports: {{sip: 5060, sips: 5061, ws: 8060, wss: 8443}}
    options: {{oos-check: 1, oos-force: 1, certificate: proxy.pem, certificate-key: proxy.key}}
"""


class ClusterError(Exception):
    """The cluster did not start, or does not answer."""


class Cluster:
    """One process, with or without real sockets between its applications."""

    def __init__(self, binary: Path, folder: Path, with_sockets: bool):
        self.binary, self.folder = binary, folder
        self.with_sockets = with_sockets
        self.strict = False
        self.process: subprocess.Popen | None = None
        self.key = secrets.token_hex(32)

    def certify(self) -> Authority:
        """A new authority, and certificates of it for the proxies."""
        authority = Authority(self.folder)
        authority.issue("proxy", "127.0.0.1", "127.0.0.2", "example.com")
        return authority

    def start(self) -> None:
        """Starts it and waits until it is ready."""
        handover = "local-handover: false" if self.with_sockets else ""
        proxies = "".join(PROXY.format(number=number) for number in (1, 2))
        text = CONFIGURATION.format(handover=handover, proxies=proxies, strict=str(self.strict).lower())
        (self.folder / "cluster.yaml").write_text(text, "utf-8")
        with open(self.folder / "cluster.log", "ab") as log:
            self.process = subprocess.Popen(
                [str(self.binary), "run", "cluster.yaml"], cwd=self.folder, stdin=subprocess.DEVNULL,
                env={"SIPCLUSTER_CLUSTER_KEY": self.key, "RUST_LOG": "debug"}, stdout=log, stderr=log,
            )  # fmt: skip
        until = time.monotonic() + READY_WAIT_S
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > until:
                raise ClusterError(f"the cluster is not ready\n{self.log()[-3000:]}")
            time.sleep(0.1)

    def is_ready(self) -> bool:
        """Whether it says so."""
        try:
            with urllib.request.urlopen(f"{HTTP}/readyz", timeout=2):
                return True
        except (OSError, urllib.error.URLError):
            return False

    def reload(self) -> None:
        """It reads its files again."""
        before = self.log().count("configuration reloaded")
        self.process.send_signal(signal.SIGHUP)
        until = time.monotonic() + READY_WAIT_S
        while self.log().count("configuration reloaded") == before:
            if time.monotonic() > until:
                raise ClusterError("it does not say that it has")
            time.sleep(0.05)

    def metrics(self) -> str:
        """What it counts."""
        with urllib.request.urlopen(f"{HTTP}/metrics", timeout=2) as answer:
            return answer.read().decode()

    def log(self) -> str:
        """What it has said."""
        return (self.folder / "cluster.log").read_text("utf-8", "replace")

    def stop(self) -> None:
        """Ends it."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10)
