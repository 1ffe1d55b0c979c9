"""tests/integration/slixmpp_chat.py PORT - the clients of smoke_slixmpp.sh."""

import asyncio
import sys

from slixmpp_person import Person

PLUGINS = ("xep_0030", "xep_0049", "xep_0054", "xep_0092", "xep_0198", "xep_0199", "xep_0202")


async def chat(port):
    juliet = Person("juliet@localhost/balcony", "capulet", PLUGINS)
    romeo = Person("romeo@localhost/orchard", "montague", PLUGINS)
    await asyncio.gather(juliet.arrive(port), romeo.arrive(port))
    print("both are logged in as", juliet.boundjid, "and", romeo.boundjid)

    await romeo.befriend(juliet)
    print("they see each other")

    for i in range(20):
        romeo.say("juliet@localhost", f"\u2665 {i} <&>")
    for i in range(20):
        message = await juliet.next("message", lambda m: m["body"])
        assert (message["from"].bare, message["body"]) == ("romeo@localhost", f"\u2665 {i} <&>")
    juliet.say(romeo.boundjid, "by the moon")
    await romeo.hears("by the moon")
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
