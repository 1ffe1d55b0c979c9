"""tests/integration/slixmpp_person.py - for smoke_slixmpp*.sh: a slixmpp client that remembers what happened to it."""

import asyncio
import importlib.util
import inspect
import ssl
import sys

import slixmpp

DOMAIN = "localhost"


def has_plugin(name):
    """Does this release of slixmpp bring it along?"""
    return importlib.util.find_spec(f"slixmpp.plugins.{name}") is not None


class Person(slixmpp.ClientXMPP):
    """Each event that the person `watches` has a queue, beside those named here."""

    def __init__(self, jid, password, plugins, watches=()):
        super().__init__(jid, password)
        for plugin in plugins:
            self.register_plugin(plugin)
        # On purpose not a setting of slixmpp's: whether the server's certificate is good is not the question here.
        self.tls_context = ssl.create_default_context()
        self.tls_context.check_hostname = False
        self.tls_context.verify_mode = ssl.CERT_NONE
        self.queues = {}
        for event in ("session_start", "session_resumed", "disconnected", "presence_available", "message", *watches):
            self.watch(event)
        # Not failed_auth: some releases try -PLUS first without being able to bind, and go on to the next mechanism.
        self.add_event_handler("failed_all_auth", lambda _: sys.exit("the login failed"))

    def _get_ssl_context(self):
        return self.tls_context

    def get_ssl_context(self):
        return self.tls_context

    def watch(self, event):
        self.queues[event] = asyncio.Queue()
        self.add_event_handler(event, self.queues[event].put_nowait)

    async def next(self, event, wanted=lambda _: True):
        """Waits for the next event of this name that is `wanted`; those before it are dropped."""
        while True:
            thing = await self.queues[event].get()
            if wanted(thing):
                return thing

    def nothing(self, event, wanted=lambda _: True):
        """So far. Ask behind something that comes later than what is not to come."""
        return not any(wanted(thing) for thing in list(self.queues[event]._queue))

    def begin(self, port):
        takes_host = "host" in inspect.signature(self.connect).parameters  # slixmpp 1.9 and later; before, an address
        self.connect(*(("127.0.0.1", port) if takes_host else (("127.0.0.1", port),)))

    async def arrive(self, port):
        """Logs in, and is online when this returns."""
        self.begin(port)
        await self.next("session_start")
        await self.get_roster()
        await self.show_up()

    async def show_up(self, **how):
        self.send_presence(**how)
        await self.next("presence_available", lambda p: p["from"] == self.boundjid)

    async def sees(self, bare):
        return await self.next("presence_available", lambda p: p["from"].bare == bare)

    async def hears(self, body):
        return await self.next("message", lambda m: m["body"] == body)

    def heard(self):
        """The texts that came and were not waited for."""
        texts = []
        while not self.queues["message"].empty():
            texts.append(self.queues["message"].get_nowait()["body"])
        return [text for text in texts if text]

    def say(self, to, body, **more):
        self.send_message(mto=to, mbody=body, mtype="chat", **more)

    async def befriend(self, other):
        """slixmpp grants and asks back by itself."""
        self.send_presence_subscription(pto=other.boundjid.bare)
        await asyncio.gather(self.sees(other.boundjid.bare), other.sees(self.boundjid.bare))

    async def barrier(self):
        """All that was sent before has been handled, and all that the server sent before has come."""
        iq = self.make_iq_get(ito=DOMAIN)
        iq.append(slixmpp.xmlstream.ET.Element("{urn:xmpp:ping}ping"))
        await iq.send()
