"""One node and one SIP Proxy in a process, with what the T-Library tests need in the configuration."""

import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from certificates import Authority

HOST = "127.0.0.1"
#: The ports of the node: `PORTS` of the language tells whom each is for.
DEFAULT, TCPORT, IPPORT, SMARTPROXY = 7010, 7011, 7012, 7013
READY_WAIT_S = 15.0
HTTP = "http://127.0.0.1:8080"
NODE_ID, LOCATION = 1, "dc1"
#: Only registration by one of these brings a DN in service whose contact is not `*`.
OWNER = "desktop"
ROUTING_POINT = "5000"
#: Who is outside: where a trunk ends, and what is dialled to get there.
TRUNK, CUSTOMER_PORT, OUTSIDE = "Trunk_1", 5900, "0"
#: Contact `*`, and contact of its own. Each test takes new ones, so that none sees what another has left.
PHONES = [str(number) for number in range(7001, 7100)]
DESKS = [str(number) for number in range(8001, 8020)]
WITH_PASSWORD, PASSWORD = "bob", "bob-knows"
AGENTS = ["alice", "carol", *(f"agent-{number}" for number in range(1, 60))]
CONFIGURATION = """\
http: 127.0.0.1:8080
threading: shared
switches:
  - name: SIP_Cluster
    type: sip-switch
    domains: [example.com]
    dns:
      - name: SIP_Cluster_DN
        type: voip-service
        options:
          service-type: sip-cluster-nodes
          applications: [SIPS_dc1_1]
          siproxy-applications: [SIPProxy_dc1_1]
          sip-enable-strict-auth: false
          dn-owner-applications: [{owner}]
      - {{name: SIPProxy_DN, type: voip-service, options: {{service-type: sip-outbound-proxy}}}}
      - {{name: "{routing_point}", type: routing-point}}
      - {{name: {trunk}, type: trunk, options: {{contact: "127.0.0.20:{customer}", prefix: "{outside}"}}}}
      - {{name: "{first}-{last}", type: extension, password: "secret-{{dn}}", options: {{contact: "*"}}}}
{desks}
persons:
  - {{employee-id: {with_password}, password: {password}}}
{agents}
applications:
  - name: SIPS_dc1_1
    role: node
    node-id: {node_id}
    switch: SIP_Cluster
    geo-location: {location}
    host: {host}
    ports: {{sip: 5070, {ports}, cluster: 7014}}
    options: {{{options}}}
  - name: SIPProxy_dc1_1
    role: sip-proxy
    node-id: 101
    switch: SIP_Cluster
    geo-location: {location}
    host: {host}
    ports: {{sip: 5060}}
    options: {{oos-check: 1, oos-force: 1, registrar-min-timeout: 1}}
"""


#: Keys among the options of a start that are no options of the node.
OF_THE_FILE = ("clients",)
#: What a start says in whose folder there is to be an authority, and a certificate of it for the node.
CERTIFIED = {"certificate": "node.pem", "certificate-key": "node.key", "trusted-ca": "ca.pem"}
RELOADED, NOT_RELOADED = "configuration reloaded", "configuration not reloaded"


class ClusterError(Exception):
    """The cluster did not start, or does not answer."""


def client_ports() -> str:
    """The ports for clients, as the configuration names them."""
    return f"default: {DEFAULT}, TCport: {TCPORT}, IPport: {IPPORT}, SmartProxy: {SMARTPROXY}"


def configuration(options: dict[str, str]) -> str:
    """The file, with these options of the node."""
    return CONFIGURATION.format(
        owner=OWNER, routing_point=ROUTING_POINT, first=PHONES[0], last=PHONES[-1],
        trunk=TRUNK, customer=CUSTOMER_PORT, outside=OUTSIDE,
        desks="\n".join(
            f'      - {{name: "{dn}", type: extension, options: {{contact: "sip:{dn}@127.0.0.1:5090"}}}}'
            for dn in DESKS
        ),
        with_password=WITH_PASSWORD, password=PASSWORD,
        agents="\n".join(f"  - {{employee-id: {agent}}}" for agent in AGENTS),
        node_id=NODE_ID, location=LOCATION, host=HOST, ports=client_ports(),
        options=", ".join(f"{name}: {value}" for name, value in options.items() if name not in OF_THE_FILE),
    ) + "".join(f"{name}: {value}\n" for name, value in options.items() if name in OF_THE_FILE)  # fmt: skip


class Cluster:
    """One process with both applications."""

    def __init__(self, binary: Path, folder: Path, options: dict[str, str]):
        self.binary = binary
        self.folder = folder
        self.options = options
        self.process: subprocess.Popen | None = None
        self.authority: Authority | None = None

    def start(self) -> None:
        """Starts it and waits until it is ready."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if "certificate" in self.options:
            self.certify()
        (self.folder / "cluster.yaml").write_text(configuration(self.options), "utf-8")
        with open(self.folder / "cluster.log", "wb") as log:
            self.process = subprocess.Popen(
                [str(self.binary), "run", str(self.folder / "cluster.yaml")],
                cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        until = time.monotonic() + READY_WAIT_S
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > until:
                raise ClusterError(f"the cluster is not ready\n{self.tail()}")
            time.sleep(0.1)

    def certify(self) -> None:
        """A new authority and a certificate of it for the node, in place of what there was."""
        self.authority = Authority(self.folder)
        self.authority.issue("node", HOST)

    def reload(self, word: str = RELOADED) -> str:
        """It reads its file again, and those that are named there; what it says of it, from this word on."""
        before = self.log().count(word)
        self.process.send_signal(signal.SIGHUP)
        until = time.monotonic() + READY_WAIT_S
        while self.log().count(word) == before:
            if time.monotonic() > until:
                raise ClusterError(f"it does not say `{word}`\n{self.tail()}")
            time.sleep(0.05)
        return self.log().rpartition(word)[2]

    def configure(self, **options: str) -> None:
        """Other options, which it reads while it runs; `_` stands for `-`."""
        self.options = {**self.options, **{name.replace("_", "-"): value for name, value in options.items()}}
        (self.folder / "cluster.yaml").write_text(configuration(self.options), "utf-8")
        self.reload()

    def is_ready(self) -> bool:
        """Whether it says so itself."""
        try:
            with urllib.request.urlopen(HTTP + "/readyz", timeout=2) as answer:
                return answer.status == 200
        except (OSError, urllib.error.URLError):
            return False

    def runs(self) -> bool:
        """Whether the process is there."""
        return self.process is not None and self.process.poll() is None

    def log(self) -> str:
        """What it has said."""
        path = self.folder / "cluster.log"
        return path.read_text("utf-8", "replace") if path.is_file() else ""

    def tail(self) -> str:
        """The end of its log."""
        return "\n".join(self.log().splitlines()[-15:])

    def stop(self) -> None:
        """Ends it."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
