"""tests/integration/slixmpp_messages.py - messages that are everywhere: the stories of smoke_slixmpp_messages.sh."""

import asyncio
from datetime import datetime, timedelta, timezone

from slixmpp.xmlstream import ET

from slixmpp_stage import main, refused, speaks, story

NS_SID = "urn:xmpp:sid:0"
NS_RETRACT = "urn:xmpp:message-retract:1"


def stanza_id(message, bare):
    ids = [e.get("id") for e in message.xml.findall(f"{{{NS_SID}}}stanza-id") if e.get("by") == bare]
    assert len(ids) == 1, f"{len(ids)} stanza-ids by {bare} in {message}"
    return ids[0]


async def cut(person):
    """The network takes the connection away, without a word."""
    person.transport.abort()
    await person.next("disconnected")


async def come_back(person, port):
    person.begin(port)
    await person.next("session_resumed")


async def texts_of(archive):
    return [message["mam_result"]["forwarded"]["stanza"]["body"] async for message in archive]


async def everything(person):
    return [message async for message in person["xep_0313"].iterate()]


# ---- XEP-0198 ----


@story("xep_0198", watches=("sm_enabled", "sm_failed"))
async def a_session_whose_tcp_was_killed_is_resumed_and_misses_nothing(stage):
    romeo = await stage.person("romeo")
    juliet = await stage.person("juliet")
    await juliet.next("sm_enabled")
    await romeo.befriend(juliet)
    await juliet.barrier()
    for turn in range(5):
        await cut(juliet)
        for i in range(10):
            romeo.say(juliet.boundjid, f"{turn}.{i}")
        await romeo.barrier()
        was = juliet.boundjid.full
        await come_back(juliet, stage.port)
        assert juliet.boundjid.full == was
        romeo.say(juliet.boundjid, f"{turn}.end")
        await juliet.barrier()
        for i in (*range(10), "end"):
            message = await juliet.next("message", lambda m: m["body"])
            assert message["body"] == f"{turn}.{i}", f"{message['body']} came, not {turn}.{i}"
        juliet.say(romeo.boundjid, f"thanks for {turn}")
        await romeo.hears(f"thanks for {turn}")
    assert juliet.heard() == []
    assert juliet.nothing("sm_failed")
    assert romeo.nothing("presence_available", lambda p: p["type"] == "unavailable")


@story("xep_0198", watches=("sm_failed",))
async def a_session_that_is_not_there_is_not_resumed_and_the_client_binds_anew(stage):
    juliet = await stage.person("juliet")
    await cut(juliet)
    juliet["xep_0198"].sm_id = "nobody-has-ever-heard-of-it"
    juliet.begin(stage.port)
    await juliet.next("sm_failed")
    await juliet.next("session_start")
    await juliet.barrier()


# ---- XEP-0280 ----


@story("xep_0280", watches=("carbon_received", "carbon_sent"))
async def the_other_device_gets_a_copy_of_what_one_device_sends_and_gets(stage):
    romeo = await stage.person("romeo")
    phone, desktop = await stage.person("juliet", "phone"), await stage.person("juliet", "desktop")
    for device in (phone, desktop):
        await device["xep_0280"].enable()
    romeo.say(phone.boundjid.full, "wherefore art thou")
    await phone.hears("wherefore art thou")
    copy = await desktop.next("carbon_received")
    inner = copy["carbon_received"]
    assert (inner["body"], inner["to"], inner["from"]) == ("wherefore art thou", phone.boundjid, romeo.boundjid)
    phone.say(romeo.boundjid.full, "call me but love")
    await romeo.hears("call me but love")
    copy = await desktop.next("carbon_sent")
    assert (copy["carbon_sent"]["body"], copy["carbon_sent"]["to"]) == ("call me but love", romeo.boundjid)
    assert phone.nothing("carbon_sent") and phone.nothing("carbon_received")
    await desktop["xep_0280"].disable()
    romeo.say(phone.boundjid.full, "by the moon")
    await phone.hears("by the moon")
    await desktop.barrier()
    assert desktop.nothing("carbon_received")


@story("xep_0280", "xep_0334", watches=("carbon_received", "carbon_sent"))
async def a_message_that_is_not_to_be_copied_is_not(stage):
    romeo = await stage.person("romeo")
    phone, desktop = await stage.person("juliet", "phone"), await stage.person("juliet", "desktop")
    for device in (phone, desktop):
        await device["xep_0280"].enable()
    message = romeo.make_message(mto=phone.boundjid.full, mbody="for this device", mtype="chat")
    message.enable("no-copy")
    message.send()
    message = phone.make_message(mto=romeo.boundjid.full, mbody="in private", mtype="chat")
    message.enable("carbon_private")
    message.send()
    await phone.hears("for this device")
    await romeo.hears("in private")
    await desktop.barrier()
    assert desktop.nothing("carbon_received")
    assert desktop.nothing("carbon_sent")


# ---- XEP-0313, 0359, 0334 ----


@story("xep_0313", "xep_0359")
async def the_archive_is_read_in_pages_both_ways(stage):
    romeo, juliet = await stage.person("romeo"), await stage.person("juliet")
    wanted = [str(i) for i in range(25)]
    for text in wanted:
        romeo.say(juliet.boundjid.bare, text)
    live = [await juliet.next("message", lambda m: m["body"]) for _ in wanted]
    mine = juliet.boundjid.bare
    for rsm in ({"max": 10}, {"max": 7}, {"max": 25}):
        assert await texts_of(juliet["xep_0313"].iterate(rsm=dict(rsm))) == wanted
    backwards = await texts_of(juliet["xep_0313"].iterate(rsm={"max": 10}, reverse=True))
    assert sorted(backwards, key=int) == wanted
    assert await texts_of(juliet["xep_0313"].iterate(rsm={"max": 10}, total=12)) == wanted[:12]
    ids = [message["mam_result"]["id"] async for message in juliet["xep_0313"].iterate(rsm={"max": 10})]
    assert ids == [stanza_id(message, mine) for message in live]
    assert ids == sorted(ids, key=int)


@story("xep_0313")
async def the_archive_is_asked_by_contact_and_by_time(stage):
    romeo, juliet, nurse = [await stage.person(name) for name in ("romeo", "juliet", "nurse")]
    for i in range(3):
        romeo.say(juliet.boundjid.bare, f"r{i}")
        await juliet.hears(f"r{i}")
        nurse.say(juliet.boundjid.bare, f"n{i}")
        await juliet.hears(f"n{i}")
    juliet.say(romeo.boundjid.bare, "answer")
    await romeo.hears("answer")
    archive = juliet["xep_0313"]
    assert await texts_of(archive.iterate(with_jid=romeo.boundjid.bare)) == ["r0", "r1", "r2", "answer"]
    assert await texts_of(archive.iterate(with_jid=nurse.boundjid.bare)) == ["n0", "n1", "n2"]
    now = datetime.now(timezone.utc)
    assert len(await texts_of(archive.iterate(start=now - timedelta(minutes=5), end=now + timedelta(minutes=5)))) == 7
    assert await texts_of(archive.iterate(end=now - timedelta(minutes=5))) == []
    fields = (await archive.get_fields()).get_fields()
    assert {"with", "start", "end"} <= set(fields)
    edges = (await archive.get_archive_metadata())["mam_metadata"]
    everything = [message["mam_result"]["id"] async for message in archive.iterate()]
    assert (edges["start"]["id"], edges["end"]["id"]) == (everything[0], everything[-1])


@story("xep_0313", "xep_0334")
async def what_came_while_the_client_was_away_is_given_once_by_the_archive(stage):
    romeo, juliet = await stage.person("romeo"), await stage.person("juliet")
    romeo.say(juliet.boundjid.bare, "before")
    await juliet.hears("before")
    await juliet.disconnect()
    for text in ("one", "two"):
        romeo.say(stage.bare("juliet"), text)
    message = romeo.make_message(mto=stage.bare("juliet"), mbody="forget this", mtype="chat")
    message.enable("no-store")
    message.send()
    await romeo.barrier()
    juliet = await stage.person("juliet", "desktop", is_online=False)
    juliet.begin(stage.port)
    await juliet.next("session_start")
    assert await texts_of(juliet["xep_0313"].iterate()) == ["before", "one", "two"]
    await juliet.show_up()
    await juliet.barrier()
    assert juliet.heard() == [], "the archive had given it already"


@story("xep_0424", "xep_0313", watches=("message_retract",))
async def a_message_that_was_retracted_leaves_a_tombstone(stage):
    romeo, juliet = await stage.person("romeo"), await stage.person("juliet")
    speaks(romeo, "xep_0424", NS_RETRACT)
    message = romeo.make_message(mto=juliet.boundjid.bare, mbody="I hate thee", mtype="chat")
    message["id"] = message["origin_id"]["id"] = "regretted"
    message.send()
    await juliet.hears("I hate thee")
    romeo["xep_0424"].send_retraction(juliet.boundjid.bare, "regretted", include_fallback=False)
    await juliet.next("message_retract")
    for person in (romeo, juliet):
        while any("I hate thee" in str(archived) for archived in await everything(person)):
            await person.barrier()  # the tombstone is written behind the retraction
        tombstones = [e for e in await everything(person) if e.xml.find(f".//{{{NS_RETRACT}}}retracted") is not None]
        assert len(tombstones) == 1, f"{len(tombstones)} tombstones"


# ---- XEP-0191, 0377 ----


@story("xep_0191", watches=("blocked", "unblocked", "message_error"))
async def a_blocked_contact_is_not_heard_and_sees_nothing(stage):
    romeo, juliet, desktop = (
        await stage.person("romeo"),
        await stage.person("juliet"),
        await stage.person("juliet", "desktop"),
    )
    for device in (juliet, desktop):
        await device["xep_0191"].get_blocked()
    await juliet["xep_0191"].block(romeo.boundjid.bare)
    push = await desktop.next("blocked")
    assert {str(jid) for jid in push["block"]["items"]} == {romeo.boundjid.bare}
    blocked = await desktop["xep_0191"].get_blocked()
    assert {str(jid) for jid in blocked["blocklist"]["items"]} == {romeo.boundjid.bare}
    romeo.say(juliet.boundjid.bare, "dost thou hear me")
    error = await romeo.next("message_error")
    assert error["error"]["condition"] == "service-unavailable"
    await refused(romeo["xep_0199"].send_ping(juliet.boundjid.full), "service-unavailable")
    await juliet["xep_0191"].unblock(romeo.boundjid.bare)
    await desktop.next("unblocked")
    romeo.say(juliet.boundjid.bare, "and now")
    message = await juliet.next("message", lambda m: m["body"])
    assert message["body"] == "and now"


@story("xep_0191", "xep_0377", watches=("blocked",))
async def one_who_is_blocked_may_be_reported(stage):
    romeo, juliet = await stage.person("romeo"), await stage.person("juliet")
    namespace = "urn:xmpp:reporting:1"
    speaks(juliet, "xep_0377", namespace)
    iq = juliet.make_iq_set()
    iq["block"]["items"] = [romeo.boundjid.bare]
    item = iq["block"].xml.find("{urn:xmpp:blocking}item")
    report = ET.SubElement(item, f"{{{namespace}}}report", reason=juliet["xep_0377"].SPAM)
    ET.SubElement(report, f"{{{namespace}}}text").text = "Never came trouble to my house like this."
    await iq.send()
    blocked = await juliet["xep_0191"].get_blocked()
    assert {str(jid) for jid in blocked["blocklist"]["items"]} == {romeo.boundjid.bare}


# ---- XEP-0352 ----


@story("xep_0352", watches=("csi_enabled",))
async def presence_waits_for_an_inactive_client_and_messages_do_not(stage):
    romeo, juliet = await stage.person("romeo"), await stage.person("juliet")
    await juliet.next("csi_enabled")
    await romeo.befriend(juliet)
    await asyncio.gather(romeo.barrier(), juliet.barrier())
    juliet["xep_0352"].send_inactive()
    await juliet.barrier()
    for show in ("away", "dnd", "xa"):
        romeo.send_presence(pshow=show)
    await romeo.barrier()
    await juliet.barrier()
    romeo.say(juliet.boundjid.bare, "this matters")
    await juliet.hears("this matters")
    juliet["xep_0352"].send_active()
    await juliet.barrier()
    roster = juliet.client_roster[romeo.boundjid.bare].resources
    assert roster["phone"]["show"] == "xa", roster


main()
