"""tests/integration/slixmpp_chat.py PORT - the clients of smoke_slixmpp.sh."""

import asyncio
import inspect
import ssl
import sys

import slixmpp


class Person(slixmpp.ClientXMPP):
    """A client that remembers what happened to it, each as an event that can be waited for."""

    def __init__(self, jid, password):
        super().__init__(jid, password)
        for plugin in ("xep_0030", "xep_0049", "xep_0054", "xep_0092", "xep_0198", "xep_0199", "xep_0202"):
            self.register_plugin(plugin)
        self.ssl_context = ssl.create_default_context()
        self.ssl_context.check_hostname = False
        self.ssl_context.verify_mode = ssl.CERT_NONE
        self.bodies = asyncio.Queue()
        self.seen = asyncio.Queue()
        self.ready = asyncio.Event()
        self.add_event_handler("session_start", self.on_start)
        self.add_event_handler("message", self.on_message)
        self.add_event_handler("presence_available", lambda p: self.seen.put_nowait(p["from"]))
        # Not failed_auth: some releases try -PLUS first without being able to bind, and go on to the next mechanism.
        self.add_event_handler("failed_all_auth", lambda _: sys.exit("the login failed"))

    def _get_ssl_context(self):
        return self.ssl_context

    def get_ssl_context(self):
        return self.ssl_context

    async def on_start(self, _):
        await self.get_roster()
        self.send_presence()
        self.ready.set()

    def on_message(self, message):
        if message["body"]:
            self.bodies.put_nowait((message["from"].bare, message["body"]))

    async def sees(self, bare):
        while (await self.seen.get()).bare != bare:
            pass


async def chat(port):
    juliet = Person("juliet@localhost/balcony", "capulet")
    romeo = Person("romeo@localhost/orchard", "montague")
    takes_host = "host" in inspect.signature(romeo.connect).parameters  # slixmpp 1.9 and later; before, an address
    for person in (juliet, romeo):
        person.connect(*(("127.0.0.1", port) if takes_host else (("127.0.0.1", port),)))
    await juliet.ready.wait()
    await romeo.ready.wait()
    print("both are logged in as", juliet.boundjid, "and", romeo.boundjid)

    romeo.send_presence_subscription(pto="juliet@localhost")  # slixmpp grants and asks back by itself
    await asyncio.gather(romeo.sees("juliet@localhost"), juliet.sees("romeo@localhost"))
    print("they see each other")

    for i in range(20):
        romeo.send_message(mto="juliet@localhost", mbody=f"\u2665 {i} <&>", mtype="chat")
    for i in range(20):
        assert await juliet.bodies.get() == ("romeo@localhost", f"\u2665 {i} <&>")
    juliet.send_message(mto=romeo.boundjid, mbody="by the moon", mtype="chat")
    assert await romeo.bodies.get() == ("juliet@localhost", "by the moon")
    print("they chat")

    await juliet["xep_0199"].ping("localhost")
    info = await juliet["xep_0030"].get_info("localhost")
    assert "urn:xmpp:ping" in info["disco_info"]["features"]
    version = await juliet["xep_0092"].get_version("localhost")
    assert version["software_version"]["name"] == "linnet"
    await juliet.get_roster()  # empty when the version is known; what it left out has been pushed
    assert juliet.client_roster["romeo@localhost"]["subscription"] == "both"
    print("the server answers")

    for person in (juliet, romeo):
        await person.disconnect()


def main():
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.run_until_complete(asyncio.wait_for(chat(int(sys.argv[1])), 60))


main()
