"""What every test needs: observations that count, and clients, phones, DNs and agents that nobody else has."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from client import Client, Event, Pairs, Silence
from cluster import AGENTS, DESKS, HOST, LOCATION, OWNER, PHONES, TCPORT, Cluster
from phone import Phone

#: How long nothing has to come before it counts as nothing.
QUIET_S = 0.3
SITE = ("site", LOCATION)


class Checks:
    """What was seen, one line each."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed = 0
        self.title = ""

    def see(self, good: bool, what: str, seen: object = "") -> None:
        """Counts and prints one observation; what was seen is told where it is not what it should be."""
        self.passed += bool(good)
        self.failed += not good
        seen = f" ({seen})" if not good and seen != "" else ""
        print(f"{'ok' if good else 'FAILED'} {self.title}: {what}{seen}", flush=True)

    def event(self, event: Event, what: str, name: str, **attributes: object) -> None:
        """One observation: the event is of this type and has these attributes."""
        self.see(event.fits(name, attributes), what, event)

    def error(self, event: Event, what: str, code: str) -> None:
        """One observation: a request is refused with this code and words for people."""
        good = event.fits("EventError", {"ErrorCode": code}) and bool(event.get("ErrorMessage"))
        self.see(good, f"{what}: {code}", event)

    def quiet(self, what: str, *clients: Client) -> None:
        """One observation: these clients hear nothing."""
        quiet = [client.quiet(QUIET_S) for client in clients]
        self.see(all(quiet), what, "; ".join(str(event) for client in clients for event in client.events))


class Desk:
    """Clients and phones of one test; all are gone when it ends."""

    #: DNs and agents that are left; a process that starts anew has all of them again.
    phones_left: list[str] = []
    desks_left: list[str] = []
    agents_left: list[str] = []
    #: The process that runs.
    cluster: Cluster

    def __init__(self, language: ModuleType):
        self.language = language
        #: How clients speak TLS for which nothing else is said.
        self.tls: ssl.SSLContext | None = None
        self.clients: list[Client] = []
        self.phones: list[Phone] = []

    @classmethod
    def fill(cls, cluster: Cluster) -> None:
        """Makes all DNs and agents free, for a process that has just started."""
        cls.cluster = cluster
        cls.phones_left, cls.desks_left, cls.agents_left = list(PHONES), list(DESKS), list(AGENTS)

    def raw(self, port: int = TCPORT, tls: ssl.SSLContext | None = None) -> Client:
        """A connection on which nothing was said."""
        client = Client(self.language, tls=tls or self.tls)
        self.clients.append(client)
        return client.open(HOST, port)

    def client(
        self, application: str = OWNER, port: int = TCPORT, tls: ssl.SSLContext | None = None, **registration: object
    ) -> Client:
        """A client that has introduced itself."""
        client = Client(self.language, tls=tls or self.tls)
        self.clients.append(client)
        answer = client.connect(HOST, port, application, **registration)
        if answer.name != "EventServerConnected":
            raise Silence(f"no EventServerConnected for {application} but {answer}")
        return client

    def registered(self, dn: str, application: str = OWNER, port: int = TCPORT, **attributes: object) -> Client:
        """A client that is registered for a DN."""
        client = self.client(application, port)
        register(client, dn, **attributes)
        return client

    def agent(self) -> str:
        """Somebody who has not logged in yet."""
        return self.agents_left.pop(0)

    def dn(self) -> str:
        """A DN of the range, whose phone is not there."""
        return self.phones_left.pop(0)

    def desk(self) -> str:
        """A DN that is in service when a desktop is registered for it."""
        return self.desks_left.pop(0)

    def phone(self, expires: int = 600) -> Phone:
        """A phone that has registered."""
        phone = Phone(self.dn())
        self.phones.append(phone)
        phone.register(expires)
        return phone

    def close(self) -> None:
        """Closes everything."""
        for one in (*self.clients, *self.phones):
            one.close()


def register(client: Client, dn: str, **attributes: object) -> Event:
    """EventRegistered; raises Silence when the registration is refused."""
    event = client.ask("TRegisterAddress", ThisDN=dn, **attributes)
    if event.name != "EventRegistered":
        raise Silence(f"no EventRegistered for {dn} but {event}")
    return event


def of_dn(events: list[Event], dn: str) -> list[Event]:
    """Those of one DN."""
    return [event for event in events if event.get("ThisDN") == dn]


def story(events: list[Event]) -> list[tuple[str, str]]:
    """What they tell, whatever their numbers."""
    return [(event.name, repr(sorted(event.attributes.items()))) for event in events]


def reasons(*more: tuple[str, object]) -> Pairs:
    """Reasons of an agent's event, sorted: `site` and those of the client."""
    return sorted([SITE, *more])


def reasons_of(event: Event) -> Pairs:
    """The same of an event that came."""
    return sorted(event.get("Reasons") or [])


@contextmanager
def scene(checks: Checks, language: ModuleType, title: str) -> Iterator[Desk]:
    """A test: what it lacks is a failure, and does not keep the next one from running."""
    checks.title = title
    desk = Desk(language)
    try:
        yield desk
    except Exception as error:  # whatever it is, the other tests have their say
        checks.see(False, "goes on to its end", f"{type(error).__name__}: {error}")
    finally:
        desk.close()
