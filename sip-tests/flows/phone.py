"""A phone that is reached by the connection that it has made: over TLS, WebSocket, or UDP for comparison."""

import re
import secrets
import socket
import ssl
import time

from web_socket import CLOSE, PING, PONG, WebSocket

WAIT_S = 10.0
MESSAGE_LEN_MAX = 65535
PORTS = {"udp": 5060, "tcp": 5060, "tls": 5061, "ws": 8060, "wss": 8443}
VIA = {"udp": "UDP", "tcp": "TCP", "tls": "TLS", "ws": "WS", "wss": "WSS"}
ADDRESS = "127.0.0.30"


class PhoneError(Exception):
    """Something else came than what was waited for."""


class Message:
    """A SIP message as text."""

    def __init__(self, text: str):
        self.text = text
        head, _, self.body = text.partition("\r\n\r\n")
        self.first, *lines = head.split("\r\n")
        self.headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines]

    def all(self, name: str) -> list[str]:
        """The values of a header, a line each."""
        return [value for own, value in self.headers if own.lower() == name.lower()]

    def one(self, name: str) -> str:
        """Its first value."""
        return (self.all(name) or [""])[0]

    @property
    def status(self) -> int:
        """Of a response; zero for a request."""
        return int(self.first.split(" ")[1]) if self.first.startswith("SIP/2.0 ") else 0

    @property
    def method(self) -> str:
        """Of the request, or of the one that this answers."""
        return self.one("CSeq").split(" ")[-1]


def uri_of(value: str) -> str:
    """The URI of a Contact or a Route."""
    found = re.search(r"<([^>]*)>", value)
    return found[1] if found else value


class Phone:
    """One DN at one proxy by one transport."""

    def __init__(self, dn: str, transport: str, proxy: str, tls: ssl.SSLContext | None = None):
        self.dn, self.transport, self.proxy = dn, transport, proxy
        self.tag, self.call_id, self.cseq = secrets.token_hex(6), secrets.token_hex(8), 0
        self.routes: list[str] = []
        self.target, self.to, self.mine = "", "", ""
        self.invited: Message | None = None
        self.buffer = b""
        kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
        self.raw = socket.socket(socket.AF_INET, kind)
        self.raw.settimeout(WAIT_S)
        self.raw.bind((ADDRESS, 0))
        self.raw.connect((proxy, PORTS[transport]))
        self.port = self.raw.getsockname()[1]
        if transport in ("tls", "wss"):
            self.raw = tls.wrap_socket(self.raw, server_hostname=proxy)
        self.frames = WebSocket(self.raw, f"{proxy}:{PORTS[transport]}") if transport in ("ws", "wss") else None
        # as a browser has it: nothing listens there
        host = f"{secrets.token_hex(6)}.invalid" if self.frames else f"{ADDRESS}:{self.port}"
        self.contact = f"<sip:{secrets.token_hex(4)}@{host};transport={'ws' if self.frames else transport}>"
        self.sent_by = host

    def certificate(self) -> bytes:
        """The proxy's."""
        return self.raw.getpeercert(binary_form=True)

    def send(self, text: str) -> None:
        """One message."""
        if self.frames:
            self.frames.send(text.encode(), parts=3)
        else:
            self.raw.sendall(text.encode())

    def read(self) -> Message:
        """The next message; a keep-alive is passed over."""
        if self.frames:
            while True:
                kind, payload = self.frames.receive()
                if kind == PING:
                    self.frames.send(payload, PONG)
                elif kind == CLOSE:
                    raise OSError("the proxy has closed the WebSocket")
                elif kind != PONG:
                    return Message(payload.decode())
        if self.transport == "udp":
            return Message(self.raw.recv(MESSAGE_LEN_MAX).decode())
        while True:
            head, end, rest = self.buffer.partition(b"\r\n\r\n")
            length = re.search(rb"\r\nContent-Length:\s*([0-9]+)", head, re.I)
            if end and length and len(rest) >= int(length[1]):
                body, self.buffer = rest[: int(length[1])], rest[int(length[1]) :]
                return Message((head + end + body).decode())
            if not (read := self.raw.recv(MESSAGE_LEN_MAX)):
                raise OSError("the proxy has closed the connection")
            self.buffer += read

    def wait(self, what: str) -> Message:
        """The next request of that method, or a final response to it as `200 INVITE`; others are passed over."""
        until = time.monotonic() + WAIT_S
        seen = []
        while time.monotonic() < until:
            try:
                found = self.read()
            except TimeoutError:
                break
            said = f"{found.status} {found.method}" if found.status else found.first.split(" ")[0]
            if said == what:
                return found
            seen.append(said)
            if found.status >= 300:
                break
        raise PhoneError(f"{self.dn} over {self.transport}: no {what}, but {seen}")

    def request(self, method: str, uri: str, to: str, headers: list[str], body: str = "", cseq: int = 0) -> None:
        """One request, of the dialog if there is one."""
        if not cseq:
            self.cseq += 1
        kind = ["Content-Type: application/sdp"] if body else []
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/{VIA[self.transport]} {self.sent_by};branch=z9hG4bK{secrets.token_hex(6)};rport",
            f"From: <sip:{self.dn}@example.com>;tag={self.tag}", f"To: {to}", f"Call-ID: {self.call_id}",
            f"CSeq: {cseq or self.cseq} {method}", "Max-Forwards: 70", *headers, *kind,
            f"Content-Length: {len(body)}", "", body,
        ]  # fmt: skip
        self.send("\r\n".join(lines))

    def answer(self, asked: Message, status: int, body: str = "") -> None:
        """A response; the tag of a dialog is always the same."""
        to = asked.one("To")
        copied = [f"{name}: {value}" for name, value in asked.headers if name in ("Via", "Record-Route")]
        kind = ["Content-Type: application/sdp"] if body else []
        lines = [
            f"SIP/2.0 {status} Answer", *copied, f"From: {asked.one('From')}",
            f"To: {to}" if "tag=" in to or status == 100 else f"To: {to};tag={self.tag}",
            f"Call-ID: {asked.one('Call-ID')}", f"CSeq: {asked.one('CSeq')}", f"Contact: {self.contact}", *kind,
            f"Content-Length: {len(body)}", "", body,
        ]  # fmt: skip
        self.send("\r\n".join(lines))

    def register(self, expires: int = 600) -> None:
        """Registers; a cluster that has just started says 503 for a while."""
        until = time.monotonic() + WAIT_S
        address = f"<sip:{self.dn}@example.com>"
        own_call = self.call_id
        self.call_id = f"register-{own_call}"
        while True:
            self.request("REGISTER", "sip:example.com", address, [f"Contact: {self.contact}", f"Expires: {expires}"])
            found = self.read()
            while found.status < 200:
                found = self.read()
            if found.status == 200:
                break
            if time.monotonic() > until:
                raise PhoneError(f"{self.dn} over {self.transport}: {found.first}")
            time.sleep(0.3)
        self.call_id = own_call

    def sdp(self) -> str:
        """An offer or an answer."""
        return f"v=0\r\no=- 1 1 IN IP4 {ADDRESS}\r\ns=-\r\nc=IN IP4 {ADDRESS}\r\nt=0 0\r\nm=audio 6000 RTP/AVP 8\r\n"

    def call(self, dn: str) -> None:
        """INVITE; what comes of it is waited for elsewhere."""
        self.to = f"<sip:{dn}@example.com>"
        self.request("INVITE", f"sip:{dn}@example.com", self.to, [f"Contact: {self.contact}"], self.sdp())

    def connected(self) -> None:
        """The call is answered: ACK."""
        found = self.wait("200 INVITE")
        self.routes = [value for value in reversed(", ".join(found.all("Record-Route")).split(", ")) if value]
        self.target, self.to = uri_of(found.one("Contact")), found.one("To")
        self.request("ACK", self.target, self.to, self.route(), cseq=self.cseq)

    def route(self) -> list[str]:
        """The Route of the dialog."""
        return [f"Route: {value}" for value in self.routes]

    def ring(self) -> Message:
        """Is called, and says so."""
        self.invited = self.wait("INVITE")
        self.answer(self.invited, 180)
        return self.invited

    def pick_up(self) -> None:
        """Answers; the dialog is its own then. The ACK is waited for elsewhere."""
        asked = self.invited
        self.answer(asked, 200, self.sdp())
        self.routes = [value for value in ", ".join(asked.all("Record-Route")).split(", ") if value]
        self.target, self.call_id = uri_of(asked.one("Contact")), asked.one("Call-ID")
        self.to = asked.one("From")

    def ask(self, method: str) -> None:
        """A request inside the dialog."""
        self.request(method, self.target, self.to, self.route())

    def close(self) -> None:
        """Without a word."""
        self.raw.close()
