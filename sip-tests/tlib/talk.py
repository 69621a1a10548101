"""A phone that calls and is called, one step at a time: as much of RFC 3261 as a call of two parties needs over UDP."""

import re
import secrets
import select
import time

from phone import ADDRESS, MESSAGE_LEN_MAX, Phone, PhoneError

WAIT_S = 5.0
DESCRIPTION = (
    f"v=0\r\no=- 1 1 IN IP4 {ADDRESS}\r\ns=-\r\nc=IN IP4 {ADDRESS}\r\nt=0 0\r\nm=audio 6000 RTP/AVP 8\r\n"
)


class Message:
    """A request or response as it came."""

    def __init__(self, text: str):
        head, _, self.body = text.partition("\r\n\r\n")
        self.line, *lines = head.split("\r\n")
        self.lines = [tuple(part.strip() for part in line.split(":", 1)) for line in lines if ":" in line]

    def all(self, name: str) -> list[str]:
        """Values of a header, one for each line."""
        return [value for known, value in self.lines if known.lower() == name.lower()]

    def one(self, name: str) -> str:
        """The first value of a header; raises PhoneError when there is none."""
        found = self.all(name)
        if not found:
            raise PhoneError(f"no {name} in {self.line}")
        return found[0]

    @property
    def what(self) -> str:
        """`INVITE`, or `180 INVITE` for a response."""
        if self.line.startswith("SIP/2.0"):
            return f"{self.line.split()[1]} {self.one('CSeq').split()[1]}"
        return self.line.split()[0]

    def contact(self) -> str:
        """URI of the Contact."""
        return re.search(r"<([^>]*)>", self.one("Contact"))[1]


class Talking(Phone):
    """A phone with one call at a time."""

    def expect(self, *wanted: str) -> Message:
        """The next message of these kinds; others are passed over, an OPTIONS is answered."""
        until = time.monotonic() + WAIT_S
        while (left := until - time.monotonic()) > 0:
            if not select.select([self.socket], [], [], left)[0]:
                break
            message = Message(self.socket.recv(MESSAGE_LEN_MAX).decode("utf-8", "replace"))
            if message.what in wanted:
                return message
            if message.what == "OPTIONS":
                self.respond(message, 200)
        raise PhoneError(f"{self.dn}: no {' or '.join(wanted)}")

    def heard(self) -> list[str]:
        """What has come and was not waited for."""
        kinds = []
        while select.select([self.socket], [], [], 0)[0]:
            kinds.append(Message(self.socket.recv(MESSAGE_LEN_MAX).decode("utf-8", "replace")).what)
        return kinds

    def send(self, line: str, headers: list[tuple[str, str]], body: str = "") -> None:
        """One message: a request to the proxy, a response to who has sent the request (RFC 3261 18.2.2)."""
        to = self.proxy
        if line.startswith("SIP/2.0"):
            host, _, port = headers[0][1].split()[1].split(";")[0].partition(":")
            to = (host, int(port or 5060))
        if body:
            headers = [*headers, ("Content-Type", "application/sdp")]
        lines = [line, *(f"{name}: {value}" for name, value in headers), f"Content-Length: {len(body)}", "", body]
        self.socket.sendto("\r\n".join(lines).encode(), to)

    def own(self) -> str:
        """Its Contact."""
        return f"<sip:{self.dn}@{ADDRESS}:{self.port}>"

    # ---- calling

    def invite(self, number: str) -> None:
        """Calls a number."""
        self.tag, self.call, self.number = secrets.token_hex(4), f"{secrets.token_hex(8)}@{ADDRESS}", 1
        host = self.proxy[0]
        self.target, self.route, self.to = f"sip:{number}@{host}", [], f"<sip:{number}@{host}>"
        self.from_ = f"<sip:{self.dn}@{host}>;tag={self.tag}"
        self.branch = f"z9hG4bK{secrets.token_hex(6)}"
        self.request("INVITE", DESCRIPTION)

    def request(self, method: str, body: str = "", number: int | None = None) -> None:
        """A request of its call."""
        headers = [
            ("Via", f"SIP/2.0/UDP {ADDRESS}:{self.port};branch={self.branch}"),
            ("From", self.from_), ("To", self.to), ("Call-ID", self.call),
            ("CSeq", f"{number or self.number} {method}"), ("Max-Forwards", "70"), ("Contact", self.own()),
            *(("Route", value) for value in self.route),
        ]  # fmt: skip
        self.send(f"{method} {self.target} SIP/2.0", headers, body)

    def answered(self) -> None:
        """Waits for the 200 and acknowledges it."""
        message = self.expect("200 INVITE")
        self.to, self.target = message.one("To"), message.contact()
        self.route = [part.strip() for value in message.all("Record-Route") for part in value.split(",")][::-1]
        self.branch = f"z9hG4bK{secrets.token_hex(6)}"
        self.request("ACK")

    def refused(self, status: int) -> None:
        """Waits for a refusal and acknowledges it."""
        self.to = self.expect(f"{status} INVITE").one("To")
        self.request("ACK")

    def bye(self) -> None:
        """Ends the call."""
        self.number += 1
        self.branch = f"z9hG4bK{secrets.token_hex(6)}"
        self.request("BYE")
        self.expect("200 BYE")

    # ---- being called

    def respond(self, request: Message, status: int, body: str = "") -> None:
        """A response to a request."""
        to = request.one("To")
        if ";tag=" not in to and status > 100:
            to += f";tag={self.call_id}"
        headers = [("Via", value) for value in request.all("Via")]
        headers += [("Record-Route", value) for value in request.all("Record-Route")]
        headers += [("From", request.one("From")), ("To", to), ("Call-ID", request.one("Call-ID"))]
        headers += [("CSeq", request.one("CSeq")), ("Contact", self.own())]
        self.send(f"SIP/2.0 {status} -", headers, body)

    def ring(self) -> Message:
        """Waits for an INVITE and rings."""
        invite = self.expect("INVITE")
        self.respond(invite, 180)
        return invite

    def answer(self, invite: Message) -> None:
        """Answers, and becomes able to end the call."""
        self.respond(invite, 200, DESCRIPTION)
        self.expect("ACK")
        self.from_ = f"{invite.one('To').split(';tag=')[0]};tag={self.call_id}"
        self.to, self.target, self.number = invite.one("From"), invite.contact(), 1
        self.call = invite.one("Call-ID")
        self.route = [part.strip() for value in invite.all("Record-Route") for part in value.split(",")]

    # ---- changing a call

    def change(self, body: str) -> None:
        """Asks for other media (re-INVITE)."""
        self.number += 1
        self.branch = f"z9hG4bK{secrets.token_hex(6)}"
        self.request("INVITE", body)

    def changed(self, status: int = 200) -> Message:
        """Waits for the answer to its change and acknowledges it."""
        answer = self.expect(f"{status} INVITE")
        if status < 300:
            self.branch = f"z9hG4bK{secrets.token_hex(6)}"
        self.request("ACK")
        return answer

    def accept(self, body: str) -> Message:
        """Waits for a change that the other asks for and accepts it with a description."""
        invite = self.expect("INVITE")
        self.respond(invite, 200, body)
        self.expect("ACK")
        return invite

    def hung_up(self) -> None:
        """Waits for a BYE and accepts it."""
        self.respond(self.expect("BYE"), 200)


def connect(caller: Talking, called: Talking) -> None:
    """One phone calls another, which answers."""
    caller.invite(called.dn)
    try:
        called.answer(called.ring())
    except PhoneError as error:
        raise PhoneError(f"{error}; {caller.dn} has heard {caller.heard()}") from error
    caller.answered()


def part(caller: Talking, called: Talking) -> None:
    """The caller ends the call."""
    caller.bye()
    called.hung_up()
