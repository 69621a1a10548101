"""Four nodes in two data centres, each a process of its own: one switch for every client, whoever owns a DN."""

import json
import os
import secrets
import signal
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import ModuleType

from certificates import Authority, Certificate
from client import Client, Closed, Silence
from cluster import OWNER, RELOADED, ROUTING_POINT, TCPORT, ClusterError, client_ports
from desk import Checks, register
from phone import PhoneError
from talk import DESCRIPTION, Talking

#: Node-ids with their data centre; the host of each is 127.0.0.<node-id>.
NODES = {1: "dc1", 2: "dc1", 3: "dc2", 4: "dc2"}
PROXIES = {11: "dc1", 12: "dc2"}
READY_WAIT_S = 20.0
#: Until a node that says nothing is taken for lost, and a bit.
SILENCE_S = 9.0
LOST_S = 2.0
#: Until the DNs of a dead node have another one: dn-rehoming-time, the proxies' OPTIONS, and a bit.
REHOMED_S = 8.0
#: Until a node that has started has heard all that concerns it.
SETTLED_S = 2.5
#: What a called DN tells of a call that is put on hold and taken back.
CALL = ("EventRinging", "EventEstablished", "EventHeld", "EventRetrieved", "EventReleased")
HELD = f"{DESCRIPTION}a=sendonly\r\n"
#: Agents on lines of the telephone network, whose DNs their desktops own, and where each line ends.
LINES = {8011: 5911, 8012: 5912, 8013: 5913}
LINE = """      - {{name: "{dn}", type: extension, options: {{contact: "sip:{dn}@127.0.0.20:{port}"}}}}"""
#: Where the customer calls from.
CUSTOMER_PORT = 5900
WRAP_UP_S = 2
#: From a login in another data centre to the move of a DN whose desktop was lost.
MOVE_DELAY_S = 3
CLUSTER_PORT, PROXY_CLUSTER_PORT = 7014, 7104
NO_ANSWER_S = 2
NO_ANSWER = f"agent-no-answer-timeout: {NO_ANSWER_S}, agent-no-answer-action: notready, agent-no-answer-overflow: [release]"
#: What all processes read.
FILE = "cluster.yaml"
UP, DOWN = "link to a T-Controller is up", "link to a T-Controller is down"
CONFIGURATION = """\
cluster-key: ${{SIPCLUSTER_CLUSTER_KEY}}
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
          applications: [{nodes}]
          siproxy-applications: [{proxies}]
          sip-enable-strict-auth: false
          dn-owner-applications: [{owner}]
          dn-owner-move-delay: {move_delay}
          agent-state-auto-restore: {auto_restore}
          cluster-tls: {cluster_tls}
          smart-proxy-enabled: {smart_proxy}
      - {{name: SIPProxy_DN, type: voip-service, options: {{service-type: sip-outbound-proxy}}}}
      - {{name: "{routing_point}", type: routing-point}}
      - {{name: "7001-7099", type: extension, options: {{contact: "*"}}}}
      - {{name: "8001-8009", type: extension, options: {{contact: "sip:desk@127.0.0.20:5999"}}}}
{lines}
      - {{name: Trunk_1, type: trunk, options: {{contact: "127.0.0.20:{customer}"}}}}
persons:
{agents}
applications:
{applications}
"""
APPLICATION = """\
  - name: {name}
    role: {role}
    node-id: {number}
    switch: SIP_Cluster
    geo-location: {location}
    host: 127.0.0.{number}
    ports: {{{ports}, http: {http}}}
    options: {{{options}}}
"""


def name_of(number: int) -> str:
    """Name of an application."""
    return f"SIPS_{number}" if number in NODES else f"SIPProxy_{number}"


def certificate_options(number: int, folder: Path) -> str:
    """The options that name the certificate of an application, and the authority of all."""
    name = name_of(number)
    return f"certificate: {folder / name}.pem, certificate-key: {folder / name}.key, trusted-ca: {folder / 'ca.pem'}"


def configuration(
    certificates: Path, auto_restore: bool = False, cluster_tls: str = "require", smart_proxy: bool = False
) -> str:
    """The file, the same for every process."""
    applications = [
        APPLICATION.format(
            name=name_of(number), role="node", number=number, location=location,
            ports=f"sip: 5070, {client_ports()}, cluster: {CLUSTER_PORT}", http=8000 + number,
            options=f"tls: true, tlib-without-tls: true, {certificate_options(number, certificates)}, "
                    f"wrap-up-time: {WRAP_UP_S}, {NO_ANSWER}",
        )
        for number, location in NODES.items()
    ]  # fmt: skip
    applications += [
        APPLICATION.format(
            name=name_of(number), role="sip-proxy", number=number, location=location,
            ports=f"sip: 5060, cluster: {PROXY_CLUSTER_PORT}", http=8000 + number,
            options=f"{certificate_options(number, certificates)}, "
                    "oos-check: 1, oos-force: 1, registrar-min-timeout: 1",
        )
        for number, location in PROXIES.items()
    ]  # fmt: skip
    return CONFIGURATION.format(
        lines="\n".join(LINE.format(dn=dn, port=port) for dn, port in LINES.items()), customer=CUSTOMER_PORT,
        move_delay=MOVE_DELAY_S, auto_restore=str(auto_restore).lower(), cluster_tls=cluster_tls,
        smart_proxy=str(smart_proxy).lower(), routing_point=ROUTING_POINT,
        nodes=", ".join(map(name_of, NODES)), proxies=", ".join(map(name_of, PROXIES)), owner=OWNER,
        agents="\n".join(f"  - {{employee-id: agent-{number}}}" for number in range(1, 10)),
        applications="".join(applications),
    )  # fmt: skip


def is_ready(number: int) -> bool:
    """Whether an application says that it takes calls."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.{number}:{8000 + number}/readyz", timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def ip(arguments: str, quiet: bool = False) -> bool:
    """One command of iproute2; whether it did it."""
    done = subprocess.run(["ip", *arguments.split()], capture_output=True, text=True, check=False)
    if done.returncode != 0 and not quiet:
        raise ClusterError(f"ip {arguments}: {done.stderr.strip()}")
    return done.returncode == 0


class Mesh:
    """The processes."""

    def __init__(self, binary: Path, folder: Path):
        self.binary = binary
        self.folder = folder
        self.processes: dict[int, subprocess.Popen] = {}
        self.certificates = folder / "certificates"
        self.authority: Authority | None = None
        #: What each application has: odd ones by their address, even ones by their name.
        self.own: dict[int, Certificate] = {}
        self.environment = {**os.environ, "SIPCLUSTER_CLUSTER_KEY": secrets.token_hex(24)}

    def start(self) -> None:
        """Starts all."""
        self.certificates.mkdir(parents=True, exist_ok=True)
        self.certify()
        self.write()
        # addresses of this machine are looked up after the rules of a cut, not before
        ip("rule add pref 100 lookup local")
        ip("rule del pref 0")
        for number in (*NODES, *PROXIES):
            self.begin(number)
        self.wait_for_links({number: len(NODES) - 1 for number in NODES})
        until = time.monotonic() + READY_WAIT_S
        while not all(is_ready(number) for number in (*NODES, *PROXIES)):
            if time.monotonic() > until:
                raise ClusterError(f"not ready\n{self.tail()}")
            time.sleep(0.1)

    def certify(self) -> None:
        """A new authority and a certificate of it for each application, in place of what there was."""
        self.authority = Authority(self.certificates)
        for number in (*NODES, *PROXIES):
            name = name_of(number)
            self.own[number] = self.authority.issue(name, f"127.0.0.{number}" if number % 2 else name)

    def write(
        self, file: str = FILE, auto_restore: bool = False, cluster_tls: str = "require", smart_proxy: bool = False
    ) -> None:
        """Writes a file for processes to read."""
        text = configuration(self.certificates, auto_restore, cluster_tls, smart_proxy)
        (self.folder / file).write_text(text, "utf-8")

    def begin(self, number: int, file: str = FILE) -> None:
        """Starts one."""
        name = name_of(number)
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        with open(self.folder / f"{name}.log", "ab") as log:
            self.processes[number] = subprocess.Popen(
                [str(self.binary), "run", str(self.folder / file), "--app", name],
                cwd=folder, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def log(self, number: int) -> str:
        """What it has said."""
        return (self.folder / f"{name_of(number)}.log").read_text("utf-8", "replace")

    def count(self, word: str) -> dict[int, int]:
        """How often each has said so."""
        return {number: self.log(number).count(word) for number in (*NODES, *PROXIES)}

    def wait_for_links(self, wanted: dict[int, int], word: str = UP) -> None:
        """Until each of these nodes has said so many times that a link is up, or down."""
        until = time.monotonic() + READY_WAIT_S
        while any(self.log(number).count(word) < count for number, count in wanted.items()):
            if time.monotonic() > until:
                raise ClusterError(f"no links\n{self.tail()}")
            time.sleep(0.05)

    def kill(self, number: int) -> None:
        """As the kernel does it."""
        self.processes[number].kill()
        self.processes[number].wait()

    def hang(self, number: int, hangs: bool) -> None:
        """It neither answers nor says that it is gone."""
        os.kill(self.processes[number].pid, signal.SIGSTOP if hangs else signal.SIGCONT)

    def again(self, number: int, file: str = FILE) -> None:
        """A node that was killed is back, and linked."""
        before = self.log(number).count(UP)
        self.begin(number, file)
        self.wait_for_links({number: before + len(NODES) - 1})

    def configure(
        self, auto_restore: bool = False, cluster_tls: str = "require", smart_proxy: bool = False
    ) -> None:
        """Another file, which every process reads while it runs."""
        self.write(FILE, auto_restore, cluster_tls, smart_proxy)
        self.reload(*self.processes)

    def reload(self, *numbers: int) -> None:
        """Those of these processes that run read the file again."""
        running = [number for number in numbers if self.processes[number].poll() is None]
        before = {number: self.log(number).count(RELOADED) for number in running}
        for number in running:
            self.processes[number].send_signal(signal.SIGHUP)
        self.wait_for_links({number: count + 1 for number, count in before.items()}, RELOADED)

    def cut(self) -> None:
        """Nothing gets through any more between the T-Controllers of the two data centres, and they know; SIP does."""
        before = {number: self.log(number).count(DOWN) for number in NODES}
        for one, here in NODES.items():
            for other, there in NODES.items():
                for port in ("sport", "dport") if here != there else ():
                    path = f"from 127.0.0.{one} to 127.0.0.{other} ipproto tcp {port} {CLUSTER_PORT}"
                    ip(f"rule add pref {CUT_RULE} {path} blackhole")
        self.wait_for_links({number: count + 2 for number, count in before.items()}, DOWN)

    def heal(self) -> None:
        """The links between the data centres are back."""
        before = {number: self.log(number).count(UP) for number in NODES}
        while ip(f"rule del pref {CUT_RULE}", quiet=True):
            pass
        self.wait_for_links({number: count + 2 for number, count in before.items()})

    def tail(self) -> str:
        """The ends of all logs."""
        return "\n".join("\n".join(self.log(number).splitlines()[-12:]) for number in NODES)

    def stop(self) -> None:
        """Ends all."""
        for process in self.processes.values():
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def at(dn: str, proxy: int) -> Talking:
    """A phone at the proxy of a data centre."""
    phone = Talking(dn)
    phone.proxy = (f"127.0.0.{proxy}", 5060)
    return phone


def client(
    language: ModuleType, node: int, application: str = OWNER, port: int = TCPORT,
    tls: ssl.SSLContext | None = None, **registration: object,
) -> Client:  # fmt: skip
    """A client of a node."""
    one = Client(language, tls=tls)
    answer = one.connect(f"127.0.0.{node}", port, application, **registration)
    if answer.name != "EventServerConnected":
        raise Silence(f"no EventServerConnected but {answer}")
    return one


def owner_of(client: Client, dn: str) -> int:
    """The node that owns a DN: it answers what is asked of it. Others tell its clients what has become of it."""
    return client.ask("TQueryAddress", ThisDN=dn, AddressInfoType="AddressInfoDNStatus").source


def one_switch(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """A client at any node sees a phone, its agent and its calls, wherever they are."""
    checks.title = "one switch"
    watchers = [client(language, node, "watcher") for node in NODES]
    for watcher in watchers:
        checks.event(register(watcher, "7001"), "a DN that nobody owns", "EventRegistered", IsInService=False)
    phone, other = at("7001", 11), at("7002", 12)
    phone.register()
    for watcher in watchers:
        watcher.wait("EventDNBackInService")
    owners = {owner_of(watcher, "7001") for watcher in watchers}
    checks.see(len(owners) == 1, "all agree on who owns it", owners)
    owner = owners.pop()
    checks.see(NODES.get(owner) == "dc1", "a node of the phone's data centre owns it", owner)
    desktop = watchers[-1]
    event = desktop.ask("TAgentLogin", ThisDN="7001", AgentID="agent-1")
    checks.event(event, "login from another data centre", "EventAgentLogin", AgentID="agent-1", ThisDN="7001")
    desktop.wait("EventAgentNotReady")
    event = desktop.ask("TAgentSetReady", ThisDN="7001")
    checks.event(event, "ready", "EventAgentReady", AgentID="agent-1")
    for node, watcher in zip(NODES, watchers[:-1], strict=False):
        kinds = [watcher.wait(name).name for name in ("EventAgentLogin", "EventAgentNotReady", "EventAgentReady")]
        checks.see(len(kinds) == 3, f"the watcher at node {node} sees all three")
    late = client(language, next(node for node in NODES if node != owner), "late")
    view = register(late, "7001")
    checks.event(view, "who comes late sees the agent", "EventRegistered", AgentID="agent-1", IsInService=True)
    second = client(language, 2)
    other.register()
    register(second, "7002")
    event = second.ask("TAgentLogin", ThisDN="7002", AgentID="agent-1")
    checks.error(event, "an agent is at one DN of the cluster", "ErrorResourceSeized")
    calls(checks, phone, other, watchers)
    for watcher in watchers:
        checks.quiet("nothing comes twice", watcher)
    event = desktop.ask("TAgentLogout", ThisDN="7001")
    checks.event(event, "logout", "EventAgentLogout", AgentID="agent-1")
    desktop.close()
    for one in (*watchers[:-1], late, second):
        one.close()
    phone.close()
    other.close()


def calls(checks: Checks, phone: Talking, other: Talking, watchers: list[Client]) -> None:
    """A call that runs in the other data centre is seen at every node, as the DN's owner tells it."""
    other.invite("7001")
    invite = phone.ring()
    phone.answer(invite)
    other.answered()
    for mine, others in ((HELD, "a=recvonly\r\n"), (DESCRIPTION, "")):
        phone.change(mine)
        other.accept(DESCRIPTION + others)
        phone.changed()
    other.bye()
    phone.hung_up()
    for node, watcher in zip(NODES, watchers, strict=True):
        events = [watcher.wait(name) for name in CALL]
        ids = {event.get("ConnID") for event in events}
        checks.see(len(ids) == 1 and None not in ids, f"the watcher at node {node} sees the call", events)


def owner_dies(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """A node is killed: its DNs are out of service at once, and with another node soon, which the proxies tell."""
    checks.title = "owner dies"
    phone = at("7010", 11)
    watcher = client(language, 4)
    register(watcher, "7010")
    phone.register()
    watcher.wait("EventDNBackInService")
    owner = owner_of(watcher, "7010")
    checks.event(watcher.ask("TAgentLogin", ThisDN="7010", AgentID="agent-2"), "login", "EventAgentLogin")
    watcher.wait("EventAgentNotReady")
    mesh.kill(owner)
    since = time.monotonic()
    out = watcher.wait("EventDNOutOfService")
    took = time.monotonic() - since
    checks.event(out, f"out of service when node {owner} dies", "EventDNOutOfService", ThisDN="7010")
    checks.see(took < LOST_S, "at once", f"{took:.2f} s")
    checks.event(watcher.wait("EventGap"), "what it has told besides is lost", "EventGap")
    checks.event(watcher.wait("EventAgentLogout"), "its agent is logged out", "EventAgentLogout", AgentID="agent-2")
    event = watcher.ask("TAgentLogin", ThisDN="7010", AgentID="agent-2")
    checks.error(event, "nobody logs in meanwhile", "ErrorOutOfService")
    watcher.patience = REHOMED_S
    watcher.wait("EventDNBackInService")
    took = time.monotonic() - since
    then = owner_of(watcher, "7010")
    checks.see(then != owner, f"back after {took:.1f} s with no REGISTER", then)
    checks.see(NODES[then] == "dc1", "with the other node of its data centre", then)
    event = watcher.ask("TAgentLogin", ThisDN="7010", AgentID="agent-2")
    checks.event(event, "login there", "EventAgentLogin", AgentID="agent-2")
    watcher.wait("EventAgentNotReady")
    mesh.again(owner)
    time.sleep(SETTLED_S)
    checks.quiet("nothing happens when the dead node is back", watcher)
    event = watcher.ask("TQueryAddress", ThisDN="7010", AddressInfoType="AddressInfoDNStatus")
    checks.event(event, "the other owns it on", "EventAddressInfo", AgentID="agent-2", IsInService=True)
    checks.see(event.source == then, "and answers", event.source)
    watcher.close()
    phone.close()


def many_move(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """Both nodes of a data centre have phones; one dies and the other has all, and keeps them when the first is back."""
    checks.title = "many move"
    phones = [at(str(number), 12) for number in range(7060, 7080)]
    watcher = client(language, 1, "watcher")
    watcher.patience = REHOMED_S
    for phone in phones:
        register(watcher, phone.dn)
        phone.register()
        watcher.wait("EventDNBackInService")
    owners = {phone.dn: owner_of(watcher, phone.dn) for phone in phones}
    checks.see(set(owners.values()) == {3, 4}, "both nodes have some", owners)
    lost = sorted(dn for dn, owner in owners.items() if owner == 3)
    mesh.kill(3)
    out = sorted(watcher.wait("EventDNOutOfService").get("ThisDN") for _ in lost)
    checks.see(out == lost, "out of service", out)
    watcher.wait("EventGap")
    back = sorted(watcher.wait("EventDNBackInService").get("ThisDN") for _ in lost)
    checks.see(back == lost, "back in service", back)
    now = {owner_of(watcher, phone.dn) for phone in phones}
    checks.see(now == {4}, "all with the other node", now)
    mesh.again(3)
    time.sleep(SETTLED_S)
    now = {owner_of(watcher, phone.dn) for phone in phones}
    checks.see(now == {4}, "which keeps them", now)
    checks.quiet("nothing comes twice", watcher)
    watcher.close()
    for phone in phones:
        phone.close()


def owner_starts_anew(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """A node that is back before anybody has taken its DNs has them again, though no phone has registered."""
    checks.title = "owner starts anew"
    phone = at("7050", 11)
    watcher = client(language, 4, "watcher")
    register(watcher, "7050")
    phone.register()
    watcher.wait("EventDNBackInService")
    owner = owner_of(watcher, "7050")
    mesh.kill(owner)
    mesh.again(owner)
    watcher.patience = REHOMED_S
    for name in ("EventDNOutOfService", "EventDNBackInService"):
        checks.event(watcher.wait(name), "out and back in service", name, ThisDN="7050")
    watcher.wait("EventGap")
    checks.see(owner_of(watcher, "7050") == owner, "at the node that it was at", owner)
    checks.quiet("nothing comes twice", watcher)
    watcher.close()
    phone.close()


def owner_hangs(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """A node says nothing any more: its DNs are out of service after a while, and as they were when it goes on."""
    checks.title = "owner hangs"
    phone = at("7020", 12)
    watcher, desktop = client(language, 1, "watcher"), client(language, 2)
    for one in (watcher, desktop):
        register(one, "7020")
    phone.register()
    watcher.wait("EventDNBackInService")
    desktop.wait("EventDNBackInService")
    owner = owner_of(watcher, "7020")
    checks.see(NODES.get(owner) == "dc2", "a node of the phone's data centre owns it", owner)
    desktop.ask("TSetDNDOn", ThisDN="7020")
    watcher.wait("EventDNDOn")
    mesh.hang(owner, True)
    watcher.patience = desktop.patience = SILENCE_S
    try:
        for one in (watcher, desktop):
            checks.event(one.wait("EventDNOutOfService"), "out of service", "EventDNOutOfService", ThisDN="7020")
            one.wait("EventGap")
    finally:
        mesh.hang(owner, False)
    for one in (watcher, desktop):
        checks.event(one.wait("EventDNBackInService"), "back in service", "EventDNBackInService", ThisDN="7020")
    event = desktop.ask("TSetDNDOff", ThisDN="7020")
    checks.event(event, "and with what was set at it", "EventDNDOff")
    watcher.wait("EventDNDOff")
    checks.quiet("nothing comes twice", watcher, desktop)
    watcher.close()
    desktop.close()
    phone.close()


def phone_moves(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """A phone registers in the other data centre: the DN goes there, when its call is over."""
    checks.title = "phone moves"
    del mesh
    phone, other = at("7030", 11), at("7031", 11)
    watcher = client(language, 4)
    register(watcher, "7030")
    phone.register()
    other.register()
    watcher.wait("EventDNBackInService")
    owner = owner_of(watcher, "7030")
    watcher.ask("TAgentLogin", ThisDN="7030", AgentID="agent-3")
    watcher.wait("EventAgentNotReady")
    other.invite("7030")
    phone.answer(phone.ring())
    other.answered()
    for name in ("EventRinging", "EventEstablished"):
        watcher.wait(name)
    phone.proxy = ("127.0.0.12", 5060)
    phone.register()
    checks.quiet("nothing happens during the call", watcher)
    other.bye()
    phone.hung_up()
    watcher.wait("EventReleased")
    checks.event(watcher.wait("EventAgentLogout"), "then its agent is logged out", "EventAgentLogout")
    time.sleep(0.5)
    event = watcher.ask("TAgentLogin", ThisDN="7030", AgentID="agent-3")
    checks.event(event, "and logs in again", "EventAgentLogin", AgentID="agent-3")
    checks.see(NODES[event.source] == "dc2" and event.source != owner, "at a node over there", event.source)
    watcher.wait("EventAgentNotReady")
    checks.quiet("the DN was never out of service", watcher)
    watcher.close()
    phone.close()
    other.close()


def desktop_moves(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """A DN without a phone is owned where a desktop is, and goes with the last one."""
    checks.title = "desktop moves"
    del mesh
    watcher, one, other = client(language, 4, "watcher"), client(language, 1), client(language, 3)
    register(watcher, "8001")
    register(one, "8001")
    watcher.wait("EventDNBackInService")
    checks.see(owner_of(watcher, "8001") == 1, "the first desktop brings it in service")
    register(other, "8001")
    one.ask("TUnregisterAddress", ThisDN="8001")
    one.close()
    checks.quiet("it stays in service for the second one", watcher)
    event = other.ask("TAgentLogin", ThisDN="8001", AgentID="agent-4")
    checks.event(event, "an agent logs in", "EventAgentLogin", AgentID="agent-4")
    checks.see(event.source == 3, "at the node of the second one", event.source)
    for name in ("EventAgentLogin", "EventAgentNotReady"):
        watcher.wait(name)
    other.close()
    gone = [watcher.wait(name).name for name in ("EventDNOutOfService", "EventAgentLogout")]
    checks.see(len(gone) == 2, "and with that the DN goes out of service, its agent out")
    watcher.close()


def operated(mesh: Mesh, node: int, *words: str) -> tuple[int, dict]:
    """What a command of an operator says who asks the process of a node."""
    line = [str(mesh.binary), "--json", *words, "--at", f"127.0.0.{node}:{8000 + node}"]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=20)
    return done.returncode, json.loads(done.stdout) if done.returncode == 0 else {"error": done.stderr}


def operator(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """Operators log an agent in and out at any node, and see what is owned where."""
    checks.title = "operator"
    phone = at("7040", 11)
    watcher = client(language, 4, "watcher")
    register(watcher, "7040")
    code, said = operated(mesh, 3, "agent", "7040", "login", "agent-5")
    checks.see(code == 1 and "ErrorOutOfService" in said["error"], "login where no phone is", said)
    phone.register()
    watcher.wait("EventDNBackInService")
    owner = owner_of(watcher, "7040")
    other = next(node for node in NODES if node != owner)
    for words, event in (
        (("login", "agent-5"), "EventAgentLogin"),
        (("ready", "--reason", "why=now"), "EventAgentReady"),
        (("not-ready", "--work-mode", "aux-work"), "EventAgentNotReady"),
    ):
        code, said = operated(mesh, other, "agent", "7040", *words)
        checks.see(code == 0 and said["event"] == event and said["node_id"] == owner, f"{words[0]} at another node", said)
        told = watcher.wait(event)
        checks.event(told, "a client sees it", event, AgentID="agent-5", ThisDN="7040")
        if words[0] == "login":
            watcher.wait("EventAgentNotReady")
    said = operated(mesh, owner, "agents")[1]["agents"]
    rows = [(row["agent_id"], row["dn"], row["state"]) for row in said]
    checks.see(("agent-5", "7040", "not-ready") in rows, "the owner lists the agent", said)
    rows = {node: dn_row(mesh, node, "7040") for node in NODES}
    owners = {row["owner"] for row in rows.values()}
    checks.see(owners == {owner} and len({row["epoch"] for row in rows.values()}) == 1, "all know the owner", rows)
    known = [node for node, row in rows.items() if row["in_service"] is not None]
    checks.see(known == [owner] and rows[owner]["agent_id"] == "agent-5", "which alone knows more", rows)
    said = operated(mesh, 4, "nodes")[1]
    links = {link["node_id"]: link for link in said["links"]}
    is_up = all(link["up"] and link["RTT_ms"] is not None for link in links.values())
    checks.see(set(links) == {1, 2, 3} and is_up, "links with their delays", links)
    clients = [(row["application"], row["dns"], row["lag_bytes"]) for row in said["clients"]]
    checks.see(("watcher", 1, 0) in clients, "clients with what waits for them", clients)
    code, said = operated(mesh, other, "agent", "7040", "logout")
    checks.see(code == 0, "logout", said)
    watcher.wait("EventAgentLogout")
    checks.quiet("nothing comes twice", watcher)
    watcher.close()
    phone.close()


def dn_row(mesh: Mesh, node: int, dn: str) -> dict:
    """A DN as the T-Controller of a node knows it."""
    return next(row for row in operated(mesh, node, "dns")[1]["dns"] if row["dn"] == dn)


CUT_RULE = 10
SCENES = (operator, one_switch, owner_dies, many_move, owner_starts_anew, owner_hangs, phone_moves, desktop_moves)


def play(checks: Checks, binary: Path, folder: Path, language: ModuleType, more: tuple = ()) -> None:
    """Every scene, in one cluster."""
    mesh = Mesh(binary, folder)
    failed = checks.failed
    try:
        checks.title = "mesh"
        mesh.start()
        for test in (*SCENES, *more):
            try:
                test(checks, mesh, language)
            except (Silence, Closed, OSError, ClusterError, PhoneError) as error:
                checks.see(False, "goes on to its end", f"{type(error).__name__}: {error}")
    except ClusterError as error:
        checks.see(False, "the cluster starts", error)
    finally:
        mesh.stop()
        if checks.failed > failed:
            print(mesh.tail())
