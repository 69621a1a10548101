"""Mutual TLS among the members of the cluster: who gets a link, and a running cluster that changes over."""

import socket
import ssl
import subprocess
import time
from types import ModuleType

from certificates import TLS_1_2, Authority, Certificate, unchecked
from client import LENGTH, Client, Event
from desk import Checks, register
from mesh import CLUSTER_PORT, DOWN, FILE, NODES, PROXIES, PROXY_CLUSTER_PORT, UP, Mesh, at, client, operated, owner_of
from secure import ENDS_S, VERSIONS, ends
from smart import CALLED
from talk import connect, part

#: The file of the process that is not configured as the others are.
ODD = "odd.yaml"
#: Until a link is up with who is there; where none is to come up, it has had this time.
LINKED_S, UNLINKED_S = 8.0, 4.0
#: How long a member may take to say which one it is, and a bit.
HELLO_S = 10.0
#: By then a connection is ended that is not taken.
SOON_S = 3.0
#: First bytes of a record of TLS, and of a frame.
RECORD, FRAME = b"\x16\x03", b"\0\0"
#: A frame that has only begun.
PLAIN = LENGTH.pack(64)
#: How long who dials is listened to.
HEARD_S, TURNS_S = 4.0, 7.0
#: A connection that stands so long is none that is only tried.
LASTS_S = 1.0
#: DNs of desktops at the node that is restarted, one for each start, and phones of a scene.
AT_ODD_NODE = ("8002", "8003", "8004", "8005", "8006")
CALLED_PHONES, CALLER = [str(number) for number in range(7003, 7010)], "7033"


def host_of(number: int) -> tuple[str, int]:
    """Where a member takes links."""
    return f"127.0.0.{number}", CLUSTER_PORT if number in NODES else PROXY_CLUSTER_PORT


def knocks(number: int, tls: ssl.SSLContext | None, data: bytes = b"") -> socket.socket | None:
    """A connection with a member; None where that ends it at once."""
    one = socket.create_connection(host_of(number), timeout=ENDS_S)
    try:
        if tls is not None:
            one = tls.wrap_socket(one)
        one.sendall(data)
    except (ConnectionError, ssl.SSLError):
        one.close()
        return None
    one.settimeout(0.05)
    return one


def admitted(seconds: float, *many: socket.socket | None) -> list[bool]:
    """Which of these are connections that the other side has not ended after some time; all are closed then."""
    there = [one for one in many if one is not None]
    took = dict(zip(there, ends(there, seconds)[0], strict=True))
    for one in there:
        one.close()
    return [one is not None and took[one] is None for one in many]


def links(mesh: Mesh) -> list[tuple[int, int, bool]]:
    """What each node says of its links."""
    return [(node, link["node_id"], link["up"]) for node in NODES for link in operated(mesh, node, "nodes")[1]["links"]]


def strange_members(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """Who has no certificate of a member gets no link, and who has one has to say which member it is."""
    checks.title = "strangers at cluster ports"
    before, seen = {word: mesh.count(word) for word in (UP, DOWN)}, links(mesh)
    watcher = client(language, 1, "watcher")
    folder = mesh.folder / "elsewhere"
    folder.mkdir()
    foreign = Authority(folder).issue("foreign", "SIPS_3", "127.0.0.3")
    nobody = mesh.authority.issue("nobody", "SIPS_9", "127.0.0.99", "localhost", "*")
    half = mesh.authority.issue("half", "SIPS_3", "127.0.0.3", usage="serverAuth")
    over = mesh.authority.issue("over", "SIPS_3", "127.0.0.3", days=-1)
    for number in (1, 11):
        for what, tls, data in (
            ("no TLS", None, PLAIN),
            ("no certificate", unchecked(), b""),
            ("no certificate, TLSv1.2", unchecked(None, TLS_1_2), b""),
            ("a certificate of another authority", unchecked(foreign), b""),
            ("one that names no member", unchecked(nobody), b""),
            ("a member's that is not for clients", unchecked(half), b""),
            ("a member's that is over", unchecked(over), b""),
        ):
            good = admitted(ENDS_S, knocks(number, tls, data)) == [False]
            checks.see(good, f"{what}: ended by {host_of(number)[0]}", "it is not")
    members = [knocks(number, unchecked(mesh.own[member])) for number, member in ((1, 3), (1, 12), (11, 4))]
    took, _ = ends([one for one in members if one], HELLO_S)
    good = len(took) == len(members) and None not in took
    checks.see(good and min(took) > SOON_S, "who has a member's and says nothing is ended after a while", took)
    for one in members:
        if one:
            one.close()
    for word, counts in before.items():
        checks.see(mesh.count(word) == counts, f"no `{word}` on their account", f"{mesh.count(word)}, before {counts}")
    now = links(mesh)
    checks.see(now == seen and all(up for _, _, up in now), "links are as they were", now)
    checks.quiet("nobody notices", watcher)
    watcher.close()


def greeted(one: socket.socket, own: Certificate | None, authority: Authority) -> tuple[bytes, bytes]:
    """The first bytes of who dials, and what is said when it has seen this certificate."""
    one.settimeout(ENDS_S)
    first = said = b""
    try:
        first = one.recv(len(RECORD), socket.MSG_PEEK)
        if own is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(own.chain, own.key)
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(authority.own.chain)
            one = context.wrap_socket(one, server_side=True)
        said = one.recv(1 << 16)
    except (OSError, ssl.SSLError):
        pass
    one.close()
    return first, said


def dialled(
    mesh: Mesh, number: int, own: Certificate | None, seconds: float = HEARD_S, enough: int = len(NODES)
) -> dict[str, list[tuple[bytes, bytes]]]:
    """Hosts that dial a node that is not there, until they are enough, and what they say to who is in its place."""
    heard: dict[str, list[tuple[bytes, bytes]]] = {}
    until = time.monotonic() + seconds
    with socket.create_server(host_of(number)) as listener:
        while len(heard) < enough and (left := until - time.monotonic()) > 0:
            listener.settimeout(left)
            try:
                one, (host, _) = listener.accept()
            except TimeoutError:
                break
            heard.setdefault(host, []).append(greeted(one, own, mesh.authority))
    return heard


def only_tls(checks: Checks, heard: dict[str, list[tuple[bytes, bytes]]], what: str) -> None:
    """One observation: somebody has dialled, and began with a record of TLS each time."""
    wrong = {host: first for host, pairs in heard.items() for first, _ in pairs if first != RECORD}
    checks.see(bool(heard) and not wrong, what, wrong or "nobody dials")


def impostors(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """Nothing is said to who is at the address of a member and has no certificate of that member."""
    checks.title = "impostors"
    del language
    folder = mesh.folder / "impostor"
    folder.mkdir()
    foreign = Authority(folder).issue("foreign", "SIPS_4", "127.0.0.4")
    nobody = mesh.authority.issue("nobody", "SIPS_9", "127.0.0.99")
    half = mesh.authority.issue("half", "SIPS_4", "127.0.0.4", usage="clientAuth")
    mesh.kill(4)
    try:
        heard = dialled(mesh, 4, None)
        checks.see(len(heard) > 1, "a node that is gone is dialled", list(heard))
        only_tls(checks, heard, "by TLS alone")
        heard = dialled(mesh, 4, mesh.own[4])
        told = [said for pairs in heard.values() for _, said in pairs]
        checks.see(any(told), "who has its certificate is greeted", heard)
        for what, own in (
            ("a certificate of another authority", foreign),
            ("one that names no member", nobody),
            ("its own that is not for servers", half),
            ("one of another member", mesh.own[3]),
        ):
            heard = dialled(mesh, 4, own)
            told = {host: said for host, pairs in heard.items() for _, said in pairs if said}
            checks.see(bool(heard) and not told, f"{what}: nothing is said", told or "nobody dials")
    finally:
        mesh.again(4)


def in_step(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """At a third node, clients with TLS and without hear the same of a DN elsewhere and its call elsewhere."""
    checks.title = "TLS far from the call"
    clients = [client(language, 1, "watcher", tls=mesh.authority.trusted(only=only)) for only in VERSIONS.values()]
    clients.append(client(language, 1, "watcher"))
    checks.see([one.socket.version() for one in clients[:2]] == list(VERSIONS), "both versions at a node of the mesh")
    phones = []
    for dn in CALLED_PHONES:
        phones.append(at(dn, 11))
        register(clients[-1], dn)
        phones[-1].register()
        clients[-1].wait("EventDNBackInService", ThisDN=dn)
        if owner_of(clients[-1], dn) == 2:
            break
    phone, caller = phones[-1], at(CALLER, 12)
    caller.register()
    checks.see(owner_of(clients[-1], phone.dn) == 2, "a DN of node 2", phone.dn)
    for one in clients:
        register(one, phone.dn)
        one.drain()
    connect(caller, phone)
    part(caller, phone)
    heard = [of_calls(one.until("EventReleased")) for one in clients]
    kinds = [[event.name for event in events] for events in heard]
    checks.see(kinds == [CALLED] * len(clients), "each hears the call", kinds)
    origins = {(event.source, event.get("ConnID") >> 52) for event in heard[-1]}
    good = len(origins) == 1 and next(iter(origins))[0] == 2 and next(iter(origins))[1] not in (1, 2)
    checks.see(good, "from node 2, of a call at a third one", origins)
    for version, events in zip(VERSIONS, heard, strict=False):
        checks.see(events == heard[-1], f"{version}: the same as without TLS", "; ".join(map(str, events)))
    checks.quiet("nothing comes twice", *clients)
    for one in (*clients, *phones, caller):
        one.close()


def of_calls(events: list[Event]) -> list[Event]:
    """Those that a call brings to the DN that is called."""
    return [event for event in events if event.name in CALLED]


# ---- a running cluster changes over


def established() -> set[tuple[str, str]]:
    """Connections as the kernel knows them, each from both ends."""
    done = subprocess.run(["ss", "-Htn", "state", "established"], capture_output=True, text=True, check=True)
    pairs = [line.split()[-2:] for line in done.stdout.splitlines()]
    return {(here, there) for here, there in pairs}


def lonely(number: int) -> list[int]:
    """Members that have no connection with this one that lasts."""
    lasting = established()
    time.sleep(LASTS_S)
    lasting &= established()
    linked = set()
    for here, there in lasting:
        hosts = {one.rpartition(":")[0] for one in (here, there)}
        port = there.rpartition(":")[2]
        for other in (*NODES, *PROXIES):
            if number in PROXIES and other in PROXIES:
                # they dial from any address
                found = port == str(PROXY_CLUSTER_PORT)
            else:
                found = port == str(CLUSTER_PORT) and hosts == {host_of(number)[0], host_of(other)[0]}
            linked |= {other} if found else set()
    return [other for other in (*NODES, *PROXIES) if other not in linked | {number}]


def linked(number: int) -> list[int]:
    """Those that are still without one when a link should be up."""
    until = time.monotonic() + LINKED_S
    while (lacks := lonely(number)) and time.monotonic() < until:
        pass
    return lacks


def takes(checks: Checks, mesh: Mesh, what: str, wanted: tuple[bool, bool], *numbers: int) -> None:
    """One observation: whether members take links with TLS, and without."""
    own = unchecked(mesh.own[3])
    got = admitted(SOON_S, *(knocks(number, *how) for number in numbers for how in ((own,), (None, PLAIN))))
    checks.see(got == list(wanted) * len(numbers), what, f"with TLS and without: {got}")


def sees(checks: Checks, what: str, watchers: list[Client], desktop: Client, dn: str) -> None:
    """Watchers at other nodes see a DN of node 2, and what happens at it."""
    register(desktop, dn)
    for watcher in watchers:
        watcher.wait("EventDNBackInService", ThisDN=dn)
    asked = desktop.ask("TSetDNDOn", ThisDN=dn)
    checks.event(asked, f"{what}: it has its DN", "EventDNDOn", ThisDN=dn)
    for watcher in watchers:
        event = watcher.wait("EventDNDOn", ThisDN=dn)
        origin = (event.source, event.epoch, event.seq)
        good = origin == (asked.source, asked.epoch, asked.seq) and event.source == 2
        checks.see(good, f"{what}: another node's client sees it", f"{origin}: {event}")


def restarted(checks: Checks, mesh: Mesh, language: ModuleType, what: str, dn: str, file: str = FILE) -> None:
    """Node 2 starts anew by this file: it is linked with all others soon, and clients of other nodes see its DN."""
    watchers = [client(language, node, "watcher") for node in (1, 3)]
    for watcher in watchers:
        register(watcher, dn)
    begin = time.monotonic()
    mesh.again(2, file)
    took = time.monotonic() - begin
    checks.see(took < LINKED_S, f"{what}: it is linked soon", f"{took:.1f} s")
    lacks = linked(2)
    checks.see(not lacks, f"{what}: with all others", lacks)
    desktop = client(language, 2)
    sees(checks, what, watchers, desktop, dn)
    for one in (*watchers, desktop):
        one.close()


def renewed(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """Certificates of another authority for all: links stand, and who starts anew is linked by the new ones."""
    checks.title = "certificates of members renewed"
    down, before = mesh.count(DOWN), unchecked(mesh.own[3])
    mesh.certify()
    mesh.configure()
    old, new = knocks(1, before), knocks(1, unchecked(mesh.own[3]))
    checks.see(admitted(SOON_S, old, new) == [False, True], "the new certificates are good, the old ones are not")
    lacks = lonely(2)
    checks.see(mesh.count(DOWN) == down and not lacks, "links that stand are not cut", lacks or mesh.count(DOWN))
    mesh.kill(2)
    restarted(checks, mesh, language, "a node that starts anew", AT_ODD_NODE[4])


def kept_apart(checks: Checks, mesh: Mesh) -> None:
    """A node without TLS gets no link where the others require it."""
    mesh.write(ODD, cluster_tls="off")
    before = mesh.count(UP)
    mesh.begin(2, ODD)
    time.sleep(UNLINKED_S)
    checks.see(mesh.count(UP) == before, "off where the others require it: no link", mesh.count(UP))
    lacks = lonely(2)
    others = [number for number in (*NODES, *PROXIES) if number != 2]
    checks.see(lacks == others, "off where the others require it: with nobody", lacks)


def changed_over(checks: Checks, mesh: Mesh, language: ModuleType) -> None:
    """With `accept` members take and dial links of either kind, one after the other they change, and then require."""
    checks.title = "changing over"
    try:
        mesh.kill(2)
        kept_apart(checks, mesh)
        mesh.kill(2)
        restarted(checks, mesh, language, "require", AT_ODD_NODE[0])
        down = mesh.count(DOWN)
        mesh.configure(cluster_tls="accept")
        takes(checks, mesh, "accept: a node and a proxy take both kinds", (True, True), 1, 11)
        good = mesh.count(DOWN) == down and not lonely(2)
        checks.see(good, "accept: links that stand are not cut", mesh.count(DOWN))
        mesh.kill(2)
        heard = dialled(mesh, 2, None, TURNS_S, len(NODES) + len(PROXIES))
        kinds = {host: {first for first, _ in pairs} for host, pairs in heard.items()}
        # who only looks whether it is there says nothing
        good = all({RECORD} < firsts <= {RECORD, FRAME, b""} for firsts in kinds.values())
        good = good and FRAME in set().union(*kinds.values())
        checks.see(good, "accept: they dial one kind after the other", kinds)
        restarted(checks, mesh, language, "off among those that accept", AT_ODD_NODE[1], ODD)
        takes(checks, mesh, "off: it takes no TLS", (False, True), 2)
        proxy_changes(checks, mesh)
        mesh.kill(2)
        mesh.write(ODD, cluster_tls="require")
        restarted(checks, mesh, language, "require among those that accept", AT_ODD_NODE[2], ODD)
        takes(checks, mesh, "require: it takes nothing but TLS", (True, False), 2)
        mesh.configure()
        mesh.kill(2)
        only_tls(checks, dialled(mesh, 2, None), "all require it again: they dial by TLS alone")
    finally:
        mesh.configure()
        mesh.kill(2)
        restarted(checks, mesh, language, "all require it again", AT_ODD_NODE[3])
    takes(checks, mesh, "require: neither a node nor a proxy takes anything but TLS", (True, False), 1, 11)
    seen = links(mesh)
    checks.see(len(seen) == len(NODES) * (len(NODES) - 1) and all(up for _, _, up in seen), "all links are up", seen)


def proxy_changes(checks: Checks, mesh: Mesh) -> None:
    """A SIP Proxy that has no TLS yet is linked with those that accept, and as well when it accepts itself."""
    for what, file in (("off", ODD), ("accept", FILE)):
        mesh.kill(11)
        mesh.begin(11, file)
        lacks = linked(11)
        checks.see(not lacks, f"a proxy, {what}: linked with all others", lacks)


SCENES = (in_step, strange_members, impostors, renewed, changed_over)
