"""Connections: introduction, frames, requests that nobody knows, keep-alive, queries, masks and messages."""

import time

from client import FRAME_LEN_MAX, LENGTH, Client, Event, has_bit, mask, of_key
from cluster import DEFAULT, IPPORT, NODE_ID, PHONES, SMARTPROXY, TCPORT
from desk import QUIET_S, Checks, Desk, register

ENDS_S = 3.0
UNKNOWN_TYPE = 9999
UNSUPPORTED = (
    "TAgentSetIdleReason", "TSetCallInfo", "TGiveMusicTreatment", "TGiveSilenceTreatment", "TGiveRingBackTreatment",
    "TLoginMailBox", "TLogoutMailBox", "TOpenVoiceFile", "TCloseVoiceFile", "TPlayVoice", "TCollectDigits",
    "TGetAccessNumber", "TCancelReqGetAccessNumber", "TReserveAgentAndGetAccessNumber", "TTransactionMonitoring",
    "TSendReturnReceipt", "TSetDNInfo", "TNetworkConsult", "TNetworkAlternate", "TNetworkTransfer", "TNetworkMerge",
    "TNetworkReconnect", "TNetworkSingleStepTransfer", "TNetworkPrivateService",
)  # fmt: skip
SUPPORTED = (
    "TRegisterClient", "TQueryServer", "TQueryAddress", "TRegisterAddress", "TUnregisterAddress", "TSetInputMask",
    "TAgentLogin", "TAgentLogout", "TAgentSetReady", "TAgentSetNotReady", "TSetDNDOn", "TSetDNDOff", "TCallSetForward",
    "TCallCancelForward", "TSendUserEvent",
)  # fmt: skip


def number_of(desk: Desk, kind: str) -> int:
    """The number of a request type."""
    return desk.language.DESCRIPTOR.enum_types_by_name["RequestType"].values_by_name[kind].number


def refused_at_the_door(checks: Checks, desk: Desk) -> None:
    """A first frame that does not introduce the client ends the connection."""
    client = desk.raw()
    checks.error(client.ask("TQueryServer"), "a request before TRegisterClient", "ErrorWrongState")
    checks.see(client.is_ended(ENDS_S), "the connection ends after it")
    for what, code, application, fields in (
        ("an empty ApplicationName", "ErrorInvalidAttribute", "", {}),
        ("ProtocolVersion 2", "ErrorProtocolVersion", "desktop", {"ProtocolVersion": 2}),
        ("ProtocolVersion 0", "ErrorProtocolVersion", "desktop", {"ProtocolVersion": 0}),
    ):
        client = desk.raw()
        checks.error(client.introduce(application, **fields), what, code)
        checks.see(client.is_ended(ENDS_S), f"the connection ends after {what}")


def introduced(checks: Checks, desk: Desk) -> None:
    """EventServerConnected, EventLinkConnected, and nothing more."""
    client = desk.raw()
    event = client.introduce("desktop")
    checks.event(event, "TRegisterClient is answered", "EventServerConnected", ServerRole="ServerRolePrimary")
    for name in ("ServerVersion", "SessionID"):
        checks.see(bool(event.get(name)), f"EventServerConnected has {name}", event)
    age = time.time() - (event.get("ServerStartTime") or 0) / 1e6
    checks.see(-1 < age < 3600, "ServerStartTime is in microseconds since 1970", f"{age} s ago")
    bits = event.get("ServerCapabilityMask") or b""
    missing = [kind for kind in SUPPORTED if not has_bit(bits, number_of(desk, kind))]
    checks.see(not missing, "ServerCapabilityMask has the requests that are served", missing)
    wrong = [kind for kind in UNSUPPORTED if has_bit(bits, number_of(desk, kind))]
    checks.see(not wrong, "ServerCapabilityMask has none that is not supported", wrong)
    link = client.wait("EventLinkConnected")
    checks.see(link.reference == 0, "EventLinkConnected follows without a ReferenceID", link)
    origin = [(one.source, one.epoch, one.seq) for one in (event, link)]
    checks.see(origin == [(NODE_ID, event.epoch, 0)] * 2, "both come from the node, and are not counted", origin)
    checks.quiet("nothing else comes", client)
    checks.error(client.introduce("desktop"), "a second TRegisterClient", "ErrorAlreadyRegistered")
    checks.event(client.ask("TQueryServer"), "the connection stays after it", "EventServerInfo")
    other = desk.client("another")
    told = other.ask("TQueryServer")
    checks.event(told, "TQueryServer is answered", "EventServerInfo", ServerRole="ServerRolePrimary")
    checks.quiet("an answer comes once", client, other)


def requests_at_fault(checks: Checks, desk: Desk) -> None:
    """They are refused, and the connection stays."""
    client = desk.client()
    client.request("TQueryServer", reference=0)
    event = client.wait("EventError")
    checks.error(event, "ReferenceID 0", "ErrorInvalidAttribute")
    checks.see((event.reference, event.seq) == (0, 0), "its EventError has no ReferenceID and no Seq", event)
    checks.error(client.ask(UNKNOWN_TYPE), "a request of a number that is not there", "ErrorUnknownOperation")
    checks.error(client.ask("RequestTypeNone"), "a request without a type", "ErrorUnknownOperation")
    for kind in UNSUPPORTED:
        checks.error(client.ask(kind, ThisDN="7001"), kind, "ErrorUnsupportedOperation")
    for kind, attributes, lacks in (
        ("TRegisterAddress", {}, "ThisDN"),
        ("TUnregisterAddress", {}, "ThisDN"),
        ("TQueryAddress", {"AddressInfoType": "AddressInfoDNStatus"}, "ThisDN"),
        ("TAgentLogin", {"AgentID": "alice"}, "ThisDN"),
        ("TSetInputMask", {}, "InputMask"),
        ("TSendUserEvent", {}, "CommunicationDN"),
    ):
        event = client.ask(kind, **attributes)
        checks.error(event, f"{kind} without {lacks}", "ErrorInvalidAttribute")
        checks.see(lacks in str(event.get("ErrorMessage")), f"its ErrorMessage names {lacks}", event)
    dn = desk.dn()
    register(client, dn)
    event = client.ask("TAgentLogin", ThisDN=dn)
    checks.error(event, "TAgentLogin without AgentID", "ErrorInvalidAttribute")
    checks.see(event.get("ThisDN") == dn, "EventError has the ThisDN of its request", event)
    checks.event(client.ask("TQueryServer"), "the connection stays after all of it", "EventServerInfo")
    checks.quiet("none is answered twice", client)


def frames(checks: Checks, desk: Desk) -> None:
    """What is no frame ends its connection only; pieces and heaps are frames all the same."""
    watcher = desk.client("watcher")
    for what, data in (
        ("a frame that is none", LENGTH.pack(5) + b"\xff" * 5),
        ("a frame of 1 MiB and a byte", LENGTH.pack(FRAME_LEN_MAX + 1)),
        ("a frame of 4 GiB", LENGTH.pack(0xFFFFFFFF) + b"\0" * 64),
    ):
        client = desk.client()
        client.send_bytes(data)
        checks.see(client.is_ended(ENDS_S), f"{what} ends the connection")
        first = desk.raw()
        first.send_bytes(data)
        checks.see(first.is_ended(ENDS_S), f"{what} ends it as the first thing too")
    checks.quiet("others do not notice", watcher)
    checks.event(watcher.ask("TQueryServer"), "others are served", "EventServerInfo")

    slow = desk.raw()
    for reference, kind in ((1, "TRegisterClient"), (2, "TQueryServer")):
        request = slow.next_request(kind, reference)
        if kind == "TRegisterClient":
            request.Registration.ApplicationName, request.Registration.ProtocolVersion = "slow", 1
        body = desk.language.Frame(Request=request).SerializeToString()
        for byte in LENGTH.pack(len(body)) + body:
            slow.send_bytes(bytes([byte]))
            time.sleep(0.002)
    checks.event(slow.answer_of(1), "a client that sends byte by byte is heard", "EventServerConnected")
    checks.event(slow.answer_of(2), "and is served", "EventServerInfo")

    heap = desk.client()
    sent = [heap.next_request("TQueryServer") for _ in range(500)]
    bodies = [desk.language.Frame(Request=request).SerializeToString() for request in sent]
    heap.send_bytes(b"".join(LENGTH.pack(len(body)) + body for body in bodies))
    heard = [heap.wait("EventServerInfo").reference for _ in sent]
    checks.see(heard == [request.ReferenceID for request in sent], "500 requests at once are answered in order")

    large = desk.client()
    event = largest(large)
    checks.error(event, "a frame of 1 MiB is heard, and a request of that length refused", "ErrorInvalidAttribute")
    event = large.ask("TQueryServer", Extensions=[("fill", b"x" * 66_000)])
    checks.error(event, "a list of more than 64 KiB is refused", "ErrorInvalidAttribute")
    checks.see("AttributeExtensions" in event.get("ErrorMessage"), "by its name", event)
    checks.event(large.ask("TQueryServer", Extensions=[("fill", b"x" * 65_000)]), "64 KiB pass", "EventServerInfo")
    checks.event(large.ask("TQueryServer"), "the connection stays", "EventServerInfo")


def largest(client: Client) -> Event:
    """What answers a TQueryServer that fills a frame."""
    request = client.next_request("TQueryServer", Extensions=[("fill", b"")])
    frame = client.language.Frame(Request=request)
    pair = frame.Request.Attributes.Extensions.Pairs[0]
    pair.Binary = b"x" * (FRAME_LEN_MAX - 100)
    # the lengths before the bytes have their final size now
    pair.Binary += b"x" * (FRAME_LEN_MAX - frame.ByteSize())
    assert frame.ByteSize() == FRAME_LEN_MAX
    client.send(frame)
    return client.answer_of(request.ReferenceID)


def keep_alive(checks: Checks, desk: Desk) -> None:
    """The server polls after AddpRemoteTimeoutMs of silence, and ends the connection after as much again."""
    plain = desk.client()
    plain.poll(77)
    plain.poll(1 << 60)
    plain.quiet(QUIET_S)
    checks.see(plain.poll_answers == [77, 1 << 60], "a Poll is answered with its number", plain.poll_answers)

    deaf = desk.client(AddpRemoteTimeoutMs=500)
    deaf.answers_polls = False
    begin = time.monotonic()
    while not deaf.polls and time.monotonic() < begin + 3:
        deaf.quiet(0.02)
    after = time.monotonic() - begin
    checks.see(bool(deaf.polls) and 0.4 < after < 0.9, "the server polls after 0.5 s of silence", f"{after:.2f} s")
    ended = deaf.is_ended(3)
    after = time.monotonic() - begin
    checks.see(ended and 0.9 < after < 1.5, "it ends the connection after 0.5 s more", f"{ended}, {after:.2f} s")
    checks.see(len(deaf.polls) == 1, "it has polled once", deaf.polls)

    polite = desk.client(AddpRemoteTimeoutMs=500)
    ended = polite.is_ended(2.3)
    checks.see(not ended, "a client that answers stays")
    checks.see(3 <= len(polite.polls) <= 5, "it is polled again and again", f"{len(polite.polls)} in 2.3 s")

    lively = desk.client(AddpRemoteTimeoutMs=500)
    for _ in range(6):
        lively.ask("TQueryServer")
        lively.quiet(0.25)
    checks.see(not lively.polls, "a client that asks is not polled", lively.polls)

    one_way = desk.client(AddpTimeoutMs=300)
    ended = one_way.is_ended(1.2)
    checks.see(not ended and not one_way.polls, "AddpTimeoutMs alone makes the server poll nobody", one_way.polls)
    checks.see(not plain.polls and not plain.is_ended(0.1), "without timeouts nobody is polled", plain.polls)


def input_mask(checks: Checks, desk: Desk) -> None:
    """Events whose bit is not set do not come."""
    phone = desk.phone()
    asker, watcher = desk.registered(phone.dn), desk.registered(phone.dn, "watcher")
    event = watcher.ask("TSetInputMask", InputMask=mask(desk.language, "EventType", "EventDNDOff"))
    checks.event(event, "TSetInputMask is answered", "EventACK")
    asker.ask("TSetDNDOn", ThisDN=phone.dn)
    asker.ask("TSetDNDOff", ThisDN=phone.dn)
    watcher.wait("EventDNDOff", ThisDN=phone.dn)
    checks.quiet("EventDNDOff comes through its mask, EventDNDOn does not", watcher)
    watcher.ask("TSetInputMask", InputMask=b"\xff" * 64)
    asker.ask("TSetDNDOn", ThisDN=phone.dn)
    checks.event(watcher.wait("EventDNDOn"), "a full mask lets all come", "EventDNDOn", ThisDN=phone.dn)


def user_events(checks: Checks, desk: Desk) -> None:
    """They reach who is registered for the DN, with their data as it was sent."""
    dn, other = desk.dn(), desk.dn()
    sender, bystander = desk.client("sender"), desk.registered(other)
    readers = [desk.registered(dn), desk.registered(dn, "monitor", RegisterMode="RegisterModeMonitor")]
    data = [
        ("second", -2), ("first", "Grüße, 你好"), ("SECOND", 2), ("second", -(1 << 31)), ("most", (1 << 31) - 1),
        ("bytes", bytes(range(256))), ("empty text", ""), ("empty bytes", b""), ("", "empty key"), ("nothing", []),
        ("list", [("z", 0), ("a", [("deep", [("deeper", b"\0")]), ("deep", "twice")]), ("z", "again")]),
    ]  # fmt: skip
    answer = sender.ask("TSendUserEvent", CommunicationDN=dn, UserData=data)
    checks.event(answer, "TSendUserEvent is answered", "EventACK")
    events = [reader.wait("EventUserEvent") for reader in readers]
    for event, who in zip(events, ("a reader", "a monitor")):
        checks.event(event, f"{who} has the data as it was sent", "EventUserEvent", UserData=data)
        checks.see(event.reference == 0 and event.seq > 0, f"{who} has it counted, without a ReferenceID", event)
    checks.see(events[0].seq == events[1].seq, "both have the same event", [event.seq for event in events])
    checks.quiet("neither the sender nor who is registered for another DN has it", sender, bystander)
    answer = readers[0].ask("TSendUserEvent", CommunicationDN=dn, UserData=[("who", "myself")])
    event = readers[0].wait("EventUserEvent")
    checks.see(answer.name == "EventACK" and event.reference == 0, "a sender that is registered has both", answer)
    checks.event(event, "its event has its data", "EventUserEvent", UserData=[("who", "myself")])


def queries(checks: Checks, desk: Desk) -> None:
    """AddressInfoDNStatus and AddressInfoAgentStatus follow what happens."""
    phone, agent = desk.phone(), desk.agent()
    client = desk.registered(phone.dn)
    for kind in ("AddressInfoDNStatus", "AddressInfoAgentStatus"):
        event = client.ask("TQueryAddress", ThisDN=phone.dn, AddressInfoType=kind)
        wanted = {"ThisDN": phone.dn, "AddressInfoType": kind}
        checks.event(event, f"{kind} is answered", "EventAddressInfo", **wanted)
        checks.see(event.seq == 0, f"{kind} is not counted", event)
    status = [agent_status(client, phone.dn)]
    for kind, attributes in (
        ("TAgentLogin", {"AgentID": agent}), ("TAgentSetReady", {}), ("TAgentSetNotReady", {}), ("TAgentLogout", {}),
    ):  # fmt: skip
        client.ask(kind, ThisDN=phone.dn, **attributes)
        status.append(agent_status(client, phone.dn))
    checks.see(status == [0, 3, 2, 3, 0], "AgentStatus follows the agent", status)
    event = client.ask("TQueryAddress", ThisDN="nobody", AddressInfoType="AddressInfoDNStatus")
    checks.error(event, "TQueryAddress for a DN that is not there", "ErrorNotConfigured")


def agent_status(client: Client, dn: str) -> object:
    """What AddressInfoAgentStatus tells."""
    event = client.ask("TQueryAddress", ThisDN=dn, AddressInfoType="AddressInfoAgentStatus")
    return of_key(event.get("Extensions"), "AgentStatus")


def admitted(checks: Checks, desk: Desk) -> None:
    """Only clients that the configuration names are served, with the rights that it gives."""
    for port in (TCPORT, SMARTPROXY, DEFAULT, IPPORT):
        for what, name, password in (("unknown", "nobody", "secret"), ("wrong", "team", "guess"), ("no", "team", "")):
            client = desk.raw(port)
            event = client.introduce(name, ApplicationPassword=password)
            checks.error(event, f"port {port}: {what} name or password", "ErrorBadPassword")
            checks.see(client.is_ended(ENDS_S), f"port {port}: and the connection ends")
        desk.client("open", port)
        checks.see(True, f"port {port}: one without a password is served")
    team = desk.client("team", ApplicationPassword="secret")
    own, other = PHONES[0], PHONES[5]
    checks.event(team.ask("TRegisterAddress", ThisDN=own), "a DN of its own", "EventRegistered")
    checks.error(team.ask("TRegisterAddress", ThisDN=other), "a DN of others", "ErrorNotConfigured")
    checks.error(team.ask("TQueryAddress", ThisDN=other), "nothing is told of it", "ErrorNotConfigured")
    checks.error(team.ask("TSendUserEvent", CommunicationDN=other), "nothing is sent to it", "ErrorNotConfigured")
    smart = desk.client("team", ApplicationPassword="secret", Capabilities=["CapabilitySmartClient"])
    checks.error(smart.ask("TRegisterAll"), "all DNs", "ErrorRejected")
    stream = desk.client("team", IPPORT, ApplicationPassword="secret")
    checks.error(stream.ask("TStartCallMonitoring"), "all calls", "ErrorRejected")
    stat = desk.client("stat")
    checks.error(stat.ask("TRegisterAddress", ThisDN=other), "a monitor that shares", "ErrorInvalidAttribute")
    event = stat.ask("TRegisterAddress", ThisDN=other, RegisterMode="RegisterModeMonitor")
    checks.event(event, "a monitor that monitors", "EventRegistered", ThisDN=other)
    checks.error(stat.ask("TAgentLogin", ThisDN=other, AgentID=desk.agent()), "and does no more", "ErrorRejected")


#: Of the clients that the start names.
SCENES_OF_CLIENTS = (
    (
        {"clients": "[{name: open}, {name: stat, access: monitor}, "
                    f'{{name: team, password: secret, dns: ["{PHONES[0]}-{PHONES[1]}"]}}]'},
        (("admission", admitted),),
    ),
)  # fmt: skip
SCENES = (
    ("refused at the door", refused_at_the_door),
    ("introduction", introduced),
    ("requests at fault", requests_at_fault),
    ("frames", frames),
    ("keep-alive", keep_alive),
    ("input mask", input_mask),
    ("user events", user_events),
    ("queries", queries),
)
