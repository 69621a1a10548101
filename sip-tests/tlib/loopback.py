"""The client itself, against a server that says what it is told: its faults are not taken for the cluster's."""

import socket
import ssl
import tempfile
import threading
import time
from pathlib import Path
from types import ModuleType

from certificates import Authority, Certificate
from client import FRAME_LEN_MAX, LENGTH, Client, Closed, Silence, has_bit, mask, of_key
from desk import Checks

HOST = "127.0.0.1"
PATIENCE_S = 0.3
#: Events in one piece, which are more than a record of TLS holds.
HEAP = 2000
DATA = [("b", -1), ("a", "ä"), ("B", b"\0\xff"), ("list", [("x", []), ("x", 2)]), ("", "")]


class Echo:
    """Reads frames of one connection and sends bytes; knows nothing of the protocol but lengths."""

    def __init__(self, language: ModuleType, certificate: Certificate | None = None, tls: ssl.SSLContext | None = None):
        self.language = language
        listener = socket.create_server((HOST, 0))
        self.client = Client(language, tls=tls)
        opening = threading.Thread(target=self.client.open, args=listener.getsockname())
        opening.start()
        self.peer, _ = listener.accept()
        self.peer.settimeout(5)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate.chain, certificate.key)
            self.peer = context.wrap_socket(self.peer, server_side=True)
        opening.join()
        self.client.patience = PATIENCE_S
        listener.close()

    def heard(self) -> object:
        """The next frame of the client."""
        (length,) = LENGTH.unpack(self.exactly(LENGTH.size))
        return self.language.Frame.FromString(self.exactly(length))

    def exactly(self, length: int) -> bytes:
        """So many bytes."""
        data = b""
        while len(data) < length:
            data += self.peer.recv(length - len(data))
        return data

    def event(self, name: str, reference: int = 0, **attributes: object) -> bytes:
        """The bytes of an event."""
        event = self.language.Event(Type=name, Attributes=self.language.Attributes(**attributes))
        return self.frame(Event=event, ReferenceID=reference)

    def frame(self, **fields: object) -> bytes:
        """The bytes of a frame."""
        body = self.language.Frame(**fields).SerializeToString()
        return LENGTH.pack(len(body)) + body

    def close(self) -> None:
        """Ends both sides."""
        self.client.close()
        self.peer.close()


def loopback(checks: Checks, language: ModuleType) -> None:
    """All of it, in seconds, without TLS and with it."""
    checks.title = "client"
    tell(checks, language, Echo(language))
    checks.title = "client over TLS"
    with tempfile.TemporaryDirectory(prefix="tlib-") as folder:
        authority = Authority(Path(folder))
        echo = Echo(language, authority.issue("server", HOST), authority.trusted())
    tell(checks, language, echo)


def tell(checks: Checks, language: ModuleType, echo: Echo) -> None:
    """What a client makes of what it is told."""
    client, peer = echo.client, echo.peer
    try:
        number = client.request("TAgentLogin", ThisDN="7001", AgentWorkMode="AgentWorkModeAutoIn", UserData=DATA)
        request = echo.heard().Request
        told = (request.ReferenceID, request.Attributes.ThisDN, request.Attributes.AgentWorkMode)
        checks.see(told == (number, "7001", 2) and number > 0, "a request arrives as it was asked", told)

        other = echo.event("EventDNDOn", ThisDN="7001")
        login = language.Attributes(UserData=request.Attributes.UserData)
        answer = echo.frame(Event=language.Event(Type="EventAgentLogin", Attributes=login), ReferenceID=number)
        # both at once, and the first half of a third
        peer.sendall(other + answer + other[:7])
        event = client.answer_of(number)
        checks.event(event, "a key-value list comes back as it went", "EventAgentLogin", UserData=DATA)
        checks.see(not client.quiet(0) and len(client.events) == 1, "the event before it waits", client.events)
        slow = threading.Thread(target=send_slowly, args=(peer, other[7:]))
        slow.start()
        checks.event(client.wait("EventDNDOn"), "it can be had", "EventDNDOn", ThisDN="7001")
        checks.event(client.wait("EventDNDOn"), "so can one that comes byte by byte", "EventDNDOn", ThisDN="7001")
        slow.join()
        checks.see(client.quiet(0.05), "then it is quiet", client.events)
        waited = silence(lambda: client.wait("EventDNDOff"))
        checks.see(PATIENCE_S <= waited < 2, "what does not come is not waited for longer", f"{waited:.2f} s")

        peer.sendall(echo.frame(Poll=5) + echo.frame(PollAnswer=6) + echo.frame(Event=language.Event(Type=9999)))
        event = client.receive(1)
        checks.see(event is not None and event.name == "9999", "an unknown event has its number", event)
        heard = (echo.heard().PollAnswer, client.polls, client.poll_answers)
        checks.see(heard == (5, [5], [6]), "a Poll is answered", heard)
        bits = mask(language, "EventType", "EventTypeNone", "EventDNDOn")
        checks.see(bits == b"\x01" + bytes(6) + b"\x10", "a mask has its least significant bit first", bits)
        checks.see(has_bit(bits, 60) and not has_bit(bits, 61) and not has_bit(bits, 999), "its bits are found")
        checks.see(of_key(DATA, "LIST") == DATA[3][1] and of_key(None, "a") is None, "keys have no case")

        peer.sendall(b"".join(echo.event("EventACK", number) for number in range(1, HEAP + 1)))
        heap = [event.reference for event in client.drain()]
        checks.see(heap == list(range(1, HEAP + 1)), f"{HEAP} events in a piece come, in order", len(heap))
        peer.sendall(echo.event("EventACK") + LENGTH.pack(FRAME_LEN_MAX + 1))
        client.wait("EventACK")
        checks.see(client.is_ended(1), "a frame of more than 1 MiB is not read")
        client.buffer.clear()
        peer.close()
        checks.see(client.is_ended(1), "an end is seen")
    except (Silence, Closed, OSError) as error:
        checks.see(False, "goes on to its end", f"{type(error).__name__}: {error}")
    finally:
        echo.close()


def send_slowly(peer: socket.socket, data: bytes) -> None:
    """Byte by byte."""
    for byte in data:
        peer.sendall(bytes([byte]))
        time.sleep(0.002)


def silence(wait: object) -> float:
    """How long a wait takes that ends without an event."""
    begin = time.monotonic()
    try:
        wait()
    except Silence:
        return time.monotonic() - begin
    return 0.0
