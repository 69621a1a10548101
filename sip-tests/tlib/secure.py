"""TLS at the ports for clients, with and without certificates of the clients, and files that are renewed."""

import contextlib
import re
import secrets
import select
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from agents import session
from calls import basic, talking
from certificates import OLD, TLS_1_1, TLS_1_2, TLS_1_3, Authority, Certificate, unchecked
from client import LENGTH, PROTOCOL_VERSION, Client, Closed, of_key
from cluster import CERTIFIED, DEFAULT, HOST, IPPORT, NOT_RELOADED, PHONES, SMARTPROXY, TCPORT, configuration
from connections import frames, introduced, keep_alive, refused_at_the_door
from desk import Checks, Desk, register
from smart import CALLED, names
from survivors import ABORT
from talk import connect, part

ENCRYPTED = {"tls": "true", **CERTIFIED}
MUTUAL = {**ENCRYPTED, "tls-mutual": "true"}
PORTS = {"default": DEFAULT, "TCport": TCPORT, "IPport": IPPORT, "SmartProxy": SMARTPROXY}
VERSIONS = {"TLSv1.2": TLS_1_2, "TLSv1.3": TLS_1_3}
#: Where no process listens.
NOBODY = "127.0.0.9"
ENDS_S, STOPS_S = 3.0, 10.0
#: How long a handshake may take: about five seconds.
HANDSHAKE_S = (3.0, 7.0)
#: Until a client that has not said who it is, and a bit: ten seconds after its handshake.
NAMELESS_S = 17.0
#: Less than the ten seconds for TRegisterClient, more than a handshake may take.
LATE_S = 7.0
#: Connections that say nothing, half of them in the middle of a handshake.
SILENT = 50
SERVED_S = 1.0
#: Registered for at once, and user events of a kilobyte for them; one value that no record of TLS holds.
MANY, EVENTS, FILL, LARGE = 90, 3000, b"x" * 1000, bytes(range(256)) * 240
#: First byte of an alert.
ALERT = 0x15


# ---- what is not a client


def ends(sockets: list[socket.socket], seconds: float) -> tuple[list[float | None], bytes]:
    """How long each is open until the server ends it, None where it does not in this time; and what came till then."""
    begin, took, said = time.monotonic(), dict.fromkeys(sockets), b""
    while (left := begin + seconds - time.monotonic()) > 0 and None in took.values():
        for one in select.select([one for one, end in took.items() if end is None], [], [], left)[0]:
            try:
                data = one.recv(1 << 16)
            except TimeoutError:
                # something of TLS that holds no data
                continue
            except (ConnectionError, ssl.SSLError):
                data = b""
            said += data
            if not data:
                took[one] = time.monotonic() - begin
    return list(took.values()), said


def knock(port: int, data: bytes, host: str = HOST) -> tuple[bool, bytes]:
    """Whether a connection that begins with these bytes is ended soon, and what came till then."""
    with socket.create_connection((host, port), timeout=ENDS_S) as one:
        one.sendall(data)
        took, said = ends([one], ENDS_S)
    return took[0] is not None, said


def greeting(tls: ssl.SSLContext) -> bytes:
    """The first bytes of a handshake."""
    said = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.wrap_bio(ssl.MemoryBIO(), said, server_hostname=HOST).do_handshake()
    return said.read()


def introduction(desk: Desk) -> bytes:
    """TRegisterClient, as a client says it that knows nothing of TLS."""
    request = Client(desk.language).next_request("TRegisterClient")
    request.Registration.ApplicationName, request.Registration.ProtocolVersion = "plain", PROTOCOL_VERSION
    body = desk.language.Frame(Request=request).SerializeToString()
    return LENGTH.pack(len(body)) + body


# ---- who is served


def trusting(desk: Desk, own: Certificate | None = None) -> ssl.SSLContext:
    """How a client speaks TLS that trusts the authority of the node."""
    return desk.cluster.authority.trusted(own)


def elsewhere(desk: Desk) -> Authority:
    """An authority of the same name as the node's, of which the node knows nothing."""
    folder = desk.cluster.folder / "elsewhere"
    folder.mkdir(exist_ok=True)
    return Authority(folder)


def refusal(desk: Desk, tls: ssl.SSLContext | None, port: int = TCPORT) -> str:
    """How a client is refused; empty where it is served. Raises Silence where nobody says anything."""
    try:
        event = desk.raw(port, tls).introduce("stranger")
    except (ssl.SSLError, Closed) as error:
        return f"{type(error).__name__}: {error}"
    return "" if event.name == "EventServerConnected" else str(event)


def resumed(before: Client) -> str:
    """The same of a client that goes on with the session of one that was served."""
    one = Client(before.language)
    one.socket = socket.create_connection((HOST, TCPORT), timeout=ENDS_S)
    try:
        one.socket = before.tls.wrap_socket(one.socket, server_hostname=HOST, session=before.socket.session)
        event = one.introduce("resumed")
    except (ConnectionError, ssl.SSLError, Closed) as error:
        return f"{type(error).__name__}: {error}"
    finally:
        one.close()
    return "" if event.name == "EventServerConnected" else str(event)


def serves(checks: Checks, desk: Desk, what: str, tls: ssl.SSLContext | None, port: int = TCPORT) -> Client:
    """One observation: a new client is served."""
    client = desk.client("new", port, tls)
    checks.event(client.ask("TQueryServer"), what, "EventServerInfo")
    return client


def refuses(checks: Checks, desk: Desk, what: str, tls: ssl.SSLContext | None, port: int = TCPORT) -> None:
    """One observation: a new client is refused."""
    how = refusal(desk, tls, port)
    checks.see(bool(how), what, "it is served")


def over_tls(test: Callable[[Checks, Desk], None]) -> Callable[[Checks, Desk], None]:
    """A test of others, all of whose clients speak TLS."""

    def play(checks: Checks, desk: Desk) -> None:
        desk.tls = trusting(desk)
        test(checks, desk)

    return play


def ports(checks: Checks, desk: Desk) -> None:
    """Both versions at all ports: the node's certificate, and a call as each port tells it."""
    one, other = talking(desk), talking(desk)
    clients: list[tuple[str, Client]] = []
    for version, only in VERSIONS.items():
        tls = desk.cluster.authority.trusted(only=only)
        for name, port in PORTS.items():
            wanted = {"Capabilities": ["CapabilityCallMonitoring"], "ClusterName": version} if port == IPPORT else {}
            client = desk.client("watcher", port, tls, **wanted)
            clients.append((f"{version} at {name}", client))
            known = client.socket.getpeercert().get("subjectAltName")
            checks.see(client.socket.version() == version, f"{version} at {name}", client.socket.version())
            checks.see(known == (("IP Address", HOST),), f"{version} at {name}: the node's certificate", known)
            if port == IPPORT:
                event = client.ask("TStartCallMonitoring")
                checks.event(event, f"{version} at {name}: TStartCallMonitoring", "EventACK")
            else:
                register(client, other.dn)
    for name, port in PORTS.items():
        how = refusal(desk, elsewhere(desk).trusted(), port)
        checks.see("CERTIFICATE_VERIFY_FAILED" in how, f"{name}: no authority but the one", how or "it is served")
    connect(one, other)
    part(one, other)
    for what, client in clients:
        heard = [event for event in client.drain() if event.name in CALLED and event.get("ThisDN") == other.dn]
        checks.see(names(heard) == CALLED, f"{what}: a call", names(heard))


def logged_in(checks: Checks, desk: Desk) -> None:
    """The agent of a TLS client is seen by another one, and logged out with it, however it ends."""
    tls = trusting(desk)

    def cut_off(client: Client) -> None:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
        client.close()

    for what, end in (("says that it ends", Client.say_end), ("is gone", Client.close), ("is cut off", cut_off)):
        phone, agent = desk.phone(), desk.agent()
        desktop, watcher = desk.client(tls=tls), desk.client("watcher", tls=tls)
        for client in (desktop, watcher):
            register(client, phone.dn)
        event = desktop.ask("TAgentLogin", ThisDN=phone.dn, AgentID=agent)
        checks.event(event, "an agent logs in", "EventAgentLogin", AgentID=agent)
        event = watcher.wait("EventAgentLogin")
        checks.event(event, "another client sees it", "EventAgentLogin", AgentID=agent, ThisDN=phone.dn)
        watcher.wait("EventAgentNotReady")
        checks.quiet("once", watcher)
        end(desktop)
        event = watcher.wait("EventAgentLogout")
        checks.event(event, f"a client that {what}: its agent is logged out", "EventAgentLogout", AgentID=agent)


def burst(checks: Checks, desk: Desk) -> None:
    """Many requests in one piece, many events for many DNs: all come, in order, also to who reads late."""
    dns = PHONES[:MANY]
    readers = [desk.client(f"reader-{version}", tls=desk.cluster.authority.trusted(only=only))
               for version, only in VERSIONS.items()]  # fmt: skip
    for reader in readers:
        sent = [reader.request("TRegisterAddress", ThisDN=dn) for dn in dns]
        answers = [reader.wait("EventRegistered") for _ in dns]
        checks.see([event.reference for event in answers] == sent, f"{MANY} registrations are answered in order")
        checks.see([event.get("ThisDN") for event in answers] == dns, "each for its DN")
    sender = desk.client("sender", tls=trusting(desk))
    requests = [
        sender.next_request("TSendUserEvent", CommunicationDN=dns[number % MANY], UserData=[("n", number), ("b", FILL)])
        for number in range(EVENTS)
    ]
    bodies = [desk.language.Frame(Request=request).SerializeToString() for request in requests]
    sender.send_bytes(b"".join(LENGTH.pack(len(body)) + body for body in bodies))
    answers = [sender.wait("EventACK").reference for _ in requests]
    checks.see(answers == [request.ReferenceID for request in requests], f"{EVENTS} requests in a piece are answered")
    stories = []
    for reader, version in zip(readers, VERSIONS, strict=True):
        events = [reader.wait("EventUserEvent") for _ in requests]
        numbers = [of_key(event.get("UserData"), "n") for event in events]
        checks.see(numbers == list(range(EVENTS)), f"{version}: {EVENTS} events in order", numbers[:20])
        whole = all(of_key(event.get("UserData"), "b") == FILL for event in events)
        checks.see(whole, f"{version}: with all that is in them")
        stories.append([event.seq for event in events])
    good = stories[0] == stories[1] and stories[0] == sorted(set(stories[0])) and stories[0][0] > 0
    checks.see(good, "both have the same numbers, which rise")
    event = sender.ask("TSendUserEvent", CommunicationDN=dns[0], UserData=[("large", LARGE)])
    checks.event(event, f"an event of {len(LARGE)} bytes", "EventACK")
    for reader in readers:
        event = reader.wait("EventUserEvent")
        checks.see(event.get("UserData") == [("large", LARGE)], "comes as it was", len(str(event)))
    checks.quiet("nothing comes twice", sender, *readers)


# ---- who is refused


def broken_off(desk: Desk, data: bytes) -> tuple[bool, bytes]:
    """The same as `knock` for bytes that follow a handshake, past TLS."""
    client = desk.raw(tls=trusting(desk))
    with socket.socket(fileno=client.socket.detach()) as one:
        client.socket = None
        one.settimeout(ENDS_S)
        one.sendall(data)
        took, said = ends([one], ENDS_S)
    return took[0] is not None, said


def strangers(checks: Checks, desk: Desk) -> None:
    """Who does not speak TLS is refused, is told nothing, and nobody else notices."""
    tls = trusting(desk)
    watcher = desk.client("watcher", tls=tls)
    plain, hello = introduction(desk), greeting(tls)
    for name, port in PORTS.items():
        ended, said = knock(port, plain)
        checks.see(ended, f"{name}: a client without TLS is ended")
        checks.see(said[:1] in (b"", bytes([ALERT])), f"{name}: and is told nothing but an alert", said[:64])
    for what, data in (
        ("zeros", bytes(64)),
        ("random bytes", b"\x80" + secrets.token_bytes(200)),
        ("HTTP", b"GET / HTTP/1.1\r\nHost: sipcluster\r\n\r\n"),
        ("a record of the greatest length", b"\x16\x03\x01\xff\xff" + bytes(70_000)),
        ("a record that is no greeting", b"\x16\x03\x01\x00\x40" + secrets.token_bytes(64)),
        ("data before the handshake", b"\x17\x03\x03\x00\x10" + secrets.token_bytes(16)),
        ("a greeting with garbage behind it", hello + secrets.token_bytes(64)),
        ("half a greeting with an introduction behind it", hello[: len(hello) // 2] + plain + bytes(1024)),
    ):
        ended, said = knock(TCPORT, data)
        checks.see(ended, f"{what}: ended", said[:64])
    for what, data in (("an introduction", plain), ("random bytes", b"\x80" + secrets.token_bytes(200))):
        ended, said = broken_off(desk, data)
        checks.see(ended, f"{what} after a handshake, without TLS: ended", said[:64])
    checks.quiet("others do not notice", watcher)
    checks.event(watcher.ask("TQueryServer"), "others are served", "EventServerInfo")
    serves(checks, desk, "so is who comes after them", tls)
    if (old := speaks_tls_1_1(desk)) is not None:
        how = refusal(desk, old)
        checks.see(bool(how), "TLS 1.1 is refused", "it is served")


def speaks_tls_1_1(desk: Desk) -> ssl.SSLContext | None:
    """A client that knows TLS 1.1 alone, where one can be had that a server of Python takes."""
    own = desk.cluster.folder / CERTIFIED["certificate"], desk.cluster.folder / CERTIFIED["certificate-key"]
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), desk.cluster.authority.trusted()
    server.load_cert_chain(*own)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        for context in (server, client):
            context.minimum_version = context.maximum_version = TLS_1_1
            context.set_ciphers(OLD)
        sides = (client.wrap_bio(down, up, server_hostname=HOST), server.wrap_bio(up, down, server_side=True))
        for side in sides * 3:
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
    except (ssl.SSLError, ValueError):
        return None
    return client if sides[0].version() == "TLSv1.1" else None


def drip(one: socket.socket, data: bytes) -> None:
    """A byte now and then, as long as somebody takes it."""
    with contextlib.suppress(OSError):
        for byte in data:
            one.sendall(bytes([byte]))
            time.sleep(0.2)


def silence(checks: Checks, desk: Desk) -> None:
    """Connections whose handshake does not go on are ended after a while, and are in nobody's way meanwhile."""
    tls = trusting(desk)
    watcher = desk.client("watcher", tls=tls)
    hello = greeting(tls)
    nameless, late = desk.raw(tls=tls), desk.raw(tls=tls)
    sockets = [socket.create_connection((HOST, TCPORT), timeout=ENDS_S) for _ in range(SILENT + 1)]
    since = time.monotonic()
    for one in sockets[: SILENT // 2]:
        one.sendall(hello[: len(hello) // 2])
    threading.Thread(target=drip, args=(sockets[-1], hello), daemon=True).start()
    for number in range(3):
        begin = time.monotonic()
        serves(checks, desk, f"client {number} beside {SILENT} silent connections", tls)
        took = time.monotonic() - begin
        checks.see(took < SERVED_S, f"client {number} at once", f"{took:.2f} s")
    begin = time.monotonic()
    watcher.ask("TQueryServer")
    checks.see(time.monotonic() - begin < SERVED_S, "so is one that was there", f"{time.monotonic() - begin:.2f} s")
    before = time.monotonic() - since
    took, _ = ends(sockets, HANDSHAKE_S[1] + 1 - before)
    took = [None if one is None else one + before for one in took]
    for what, some in (
        ("in the middle of a handshake", took[: SILENT // 2]),
        ("before it", took[SILENT // 2 : SILENT]),
        ("a byte at a time", took[SILENT:]),
    ):
        wrong = [one for one in some if one is None or not HANDSHAKE_S[0] < one < HANDSHAKE_S[1]]
        checks.see(bool(some) and not wrong, f"silent {what}: ended after about five seconds", wrong[:5])
    checks.quiet("others do not notice", watcher)
    checks.event(late.introduce("late"), "who says his name late after it is served", "EventServerConnected")
    checks.see(nameless.is_ended(NAMELESS_S - HANDSHAKE_S[1]), "who never says it is ended too")
    for one in sockets:
        one.close()


def both_kinds(checks: Checks, desk: Desk) -> None:
    """With tlib-without-tls a port has clients of both kinds, which see each other."""
    tls = trusting(desk)
    for name, port in PORTS.items():
        serves(checks, desk, f"{name}: with TLS", tls, port)
        serves(checks, desk, f"{name}: without TLS", None, port)
    refuses(checks, desk, "an authority of others is none here either", elsewhere(desk).trusted())
    late = [desk.raw(tls=tls), desk.raw()]
    time.sleep(LATE_S)
    for what, client in zip(("with TLS", "without TLS"), late, strict=True):
        served = client.is_ended(0) or client.introduce("late").name
        checks.see(served == "EventServerConnected", f"who says his name late, {what}, is served", "it is ended")
    for what, mine, theirs in (("with TLS", tls, None), ("without TLS", None, tls)):
        phone, agent = desk.phone(), desk.agent()
        desktop, watcher = desk.client(tls=mine), desk.client("watcher", tls=theirs)
        for client in (desktop, watcher):
            register(client, phone.dn)
        desktop.ask("TAgentLogin", ThisDN=phone.dn, AgentID=agent)
        event = watcher.wait("EventAgentLogin")
        checks.event(event, f"a login {what} is seen by the other kind", "EventAgentLogin", AgentID=agent)
        desktop.close()
        event = watcher.wait("EventAgentLogout")
        checks.event(event, f"and the end of a client {what}", "EventAgentLogout", AgentID=agent)


# ---- certificates of clients


def mutual(checks: Checks, desk: Desk) -> None:
    """With tls-mutual who has no certificate of the authority is refused."""
    authority, other = desk.cluster.authority, elsewhere(desk)
    right = authority.issue("client", "desktop.example.com")
    foreign, over = other.issue("foreign", "desktop.example.com"), authority.issue("over", "old.example.com", days=-1)
    watcher = desk.client("watcher", tls=trusting(desk, right))
    for name, port in PORTS.items():
        serves(checks, desk, f"{name}: with a certificate", trusting(desk, right), port)
        for version, only in VERSIONS.items():
            for what, own in (("none", None), ("one of another authority", foreign), ("one that is over", over)):
                refuses(checks, desk, f"{name}: {what}, {version}", authority.trusted(own, only), port)
        ended, said = knock(port, introduction(desk))
        checks.see(ended and said[:1] in (b"", bytes([ALERT])), f"{name}: no TLS", said[:64])
    checks.quiet("others do not notice", watcher)
    checks.event(watcher.ask("TQueryServer"), "others are served", "EventServerInfo")


def mutual_renewed(checks: Checks, desk: Desk) -> None:
    """A new authority: certificates of the old one are good no more, also for who resumes a session."""
    before = desk.cluster.authority.issue("client-before", "desktop.example.com")
    standing = desk.client("standing", tls=trusting(desk, before))
    earlier = [desk.client("earlier", tls=unchecked(before, only)) for only in VERSIONS.values()]
    desk.cluster.certify()
    desk.cluster.reload()
    checks.event(standing.ask("TQueryServer"), "who is connected stays", "EventServerInfo")
    own = desk.cluster.authority.issue("client", "desktop.example.com")
    serves(checks, desk, "a certificate of the new authority", trusting(desk, own))
    refuses(checks, desk, "none", trusting(desk))
    refuses(checks, desk, "one of the old authority", trusting(desk, before))
    for version, client in zip(VERSIONS, earlier, strict=True):
        checks.see(bool(resumed(client)), f"nor with a session of before, {version}", "it is served")
    for what, content in (("an authority that is none", b"no authority\n"), ("no authority", None)):
        spoiled(checks, desk, what, CERTIFIED["trusted-ca"], content, own)
        refuses(checks, desk, f"{what}: no certificate", trusting(desk))


# ---- files


def spoiled(
    checks: Checks, desk: Desk, what: str, file: str, content: bytes | None, own: Certificate | None = None
) -> None:
    """A file that cannot be used, named by the log, changes nothing."""
    path, tls = desk.cluster.folder / file, trusting(desk, own)
    before = path.read_bytes()
    try:
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        said = desk.cluster.reload(NOT_RELOADED)
        checks.see(file in said, f"{what}: the log names {file}", said)
        serves(checks, desk, f"{what}: everything is as before", tls)
    finally:
        path.write_bytes(before)


def renewed(checks: Checks, desk: Desk) -> None:
    """Other files under the same names count after a reload, for new connections; what cannot be used does not."""
    before, dn = trusting(desk), desk.dn()
    standing = desk.client("standing", tls=before)
    register(standing, dn)
    desk.cluster.certify()
    serves(checks, desk, "before the reload it is the old certificate", before)
    desk.cluster.reload()
    checks.event(standing.ask("TQueryServer"), "who is connected stays", "EventServerInfo")
    new = serves(checks, desk, "a new client trusts the new authority", trusting(desk))
    how = refusal(desk, before)
    checks.see("CERTIFICATE_VERIFY_FAILED" in how, "and not the old one", how or "it is served")
    new.ask("TSendUserEvent", CommunicationDN=dn, UserData=[("who", "new")])
    event = standing.wait("EventUserEvent")
    checks.event(event, "both are clients of one node", "EventUserEvent", UserData=[("who", "new")])
    other = elsewhere(desk).issue("node", HOST)
    for what, file, content in (
        ("garbage", "node.pem", b"no certificate\n"),
        ("a key that does not fit", "node.key", other.key.read_bytes()),
        ("a key where none is", "node.key", other.chain.read_bytes()),
        ("no file", "node.key", None),
    ):
        spoiled(checks, desk, what, file, content)
    checks.event(standing.ask("TQueryServer"), "who was connected all the time is", "EventServerInfo")
    desk.cluster.reload()
    serves(checks, desk, "files that can be used are read again", trusting(desk))


def turned_on(checks: Checks, desk: Desk) -> None:
    """`tls` and `tls-mutual` change while it runs, for new connections."""
    own = desk.cluster.authority.issue("client", "desktop.example.com")
    standing = serves(checks, desk, "without TLS at first", None)
    refuses(checks, desk, "TLS is not there", trusting(desk))
    desk.cluster.configure(tls="true")
    checks.event(standing.ask("TQueryServer"), "who is connected stays", "EventServerInfo")
    encrypted = serves(checks, desk, "tls: with TLS", trusting(desk))
    earlier = [desk.client("earlier", tls=desk.cluster.authority.trusted(only=only)) for only in VERSIONS.values()]
    checks.see(knock(TCPORT, introduction(desk))[0], "tls: no more without")
    desk.cluster.configure(tls_mutual="true")
    serves(checks, desk, "tls-mutual: with a certificate", trusting(desk, own))
    refuses(checks, desk, "tls-mutual: no more without", trusting(desk))
    for version, client in zip(VERSIONS, earlier, strict=True):
        checks.see(bool(resumed(client)), f"nor with a session of before, {version}", "it is served")
    desk.cluster.configure(tls="false", tls_mutual="false")
    serves(checks, desk, "without TLS again", None)
    for client in (standing, encrypted):
        checks.event(client.ask("TQueryServer"), "who was connected all the time is", "EventServerInfo")


def told_by(desk: Desk, command: str, folder: Path) -> tuple[int | None, str]:
    """What a command says of the file in this folder, and its exit code; None where it had to be ended."""
    line = [str(desk.cluster.binary), command, "cluster.yaml"]
    try:
        done = subprocess.run(line, cwd=folder, capture_output=True, text=True, check=False, timeout=STOPS_S)
    except subprocess.TimeoutExpired as late:
        return None, str(late.stderr)
    return done.returncode, done.stdout + done.stderr


def not_started(checks: Checks, desk: Desk) -> None:
    """Without its files nothing starts, and what is said tells which, of whom, and for what."""
    folder = desk.cluster.folder / "not-started"
    folder.mkdir()
    authority = Authority(folder)
    authority.issue("node", HOST)
    # its ports are not those of the process that runs
    (folder / "cluster.yaml").write_text(configuration(MUTUAL).replace(HOST, NOBODY), "utf-8")
    other = elsewhere(desk).issue("node", HOST)
    for option, file in CERTIFIED.items():
        for what, content in (("no file", None), ("an empty file", b""), ("garbage", b"-----BEGIN NOTHING-----\n")):
            path = folder / file
            before = path.read_bytes()
            path.unlink()
            if content is not None:
                path.write_bytes(content)
            code, said = told_by(desk, "run", folder)
            path.write_bytes(before)
            checks.see(code not in (0, None), f"{option}, {what}: it does not start", code)
            told = all(word in said for word in ("SIPS_dc1_1", option, file))
            checks.see(told, f"{option}, {what}: it says why", said)
    (folder / "node.key").write_bytes(other.key.read_bytes())
    code, said = told_by(desk, "run", folder)
    told = all(word in said for word in ("SIPS_dc1_1", "node.key"))
    checks.see(code not in (0, None) and told, "a key that does not fit: it does not start and says why", said)


def checked(checks: Checks, desk: Desk) -> None:
    """`sipcluster check` names each option that is missing, where it is needed."""
    folder = desk.cluster.folder / "checked"
    folder.mkdir()
    path = folder / "cluster.yaml"
    for needs, options, lacks in (
        ("tls", MUTUAL, "certificate"),
        ("tls", MUTUAL, "certificate-key"),
        ("tls-mutual", MUTUAL, "trusted-ca"),
        ("tls-mutual", {**MUTUAL, "tls": "false"}, "tls"),
    ):
        text = configuration({name: value for name, value in options.items() if name != lacks or lacks == "tls"})
        path.write_text(text, "utf-8")
        code, said = told_by(desk, "check", folder)
        found = re.findall(rf"^cluster\.yaml:(\d+):(\d+): error: .*`{needs}`.*`{lacks}`", said, re.M)
        checks.see(code == 1 and len(found) == 1, f"`{needs}` without `{lacks}` is an error", said)
        places = [text.splitlines()[int(line) - 1][int(column) - 1 :] for line, column in found]
        good = all(place.startswith(f"{needs}: ") for place in places) and bool(places)
        checks.see(good, f"it stands where `{needs}` stands", places)
    path.write_text(configuration(MUTUAL), "utf-8")
    code, said = told_by(desk, "check", folder)
    checks.see(code == 0 and "error" not in said, "with all of them nothing is wrong", said)


STARTS = (
    (
        ENCRYPTED,
        (
            ("TLS ports", ports),
            ("TLS agents", logged_in),
            ("TLS burst", burst),
            ("TLS strangers", strangers),
            ("TLS silence", silence),
            ("TLS refused at the door", over_tls(refused_at_the_door)),
            ("TLS introduction", over_tls(introduced)),
            ("TLS frames", over_tls(frames)),
            ("TLS keep-alive", over_tls(keep_alive)),
            ("TLS agent session", over_tls(session)),
            ("TLS basic call", over_tls(basic)),
            ("TLS files at start", not_started),
            ("TLS options", checked),
            ("TLS renewal", renewed),
        ),
    ),
    ({**ENCRYPTED, "tlib-without-tls": "true"}, (("TLS and none", both_kinds),)),
    (MUTUAL, (("mutual TLS", mutual), ("mutual TLS renewal", mutual_renewed))),
    ({"tls": "false", **CERTIFIED}, (("TLS turned on", turned_on),)),
)  # fmt: skip
