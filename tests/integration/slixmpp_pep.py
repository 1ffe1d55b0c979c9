"""tests/integration/slixmpp_pep.py - PEP and what lives on it, bookmarks, commands: the stories of smoke_slixmpp_pep.sh."""

import asyncio
import hashlib

import slixmpp
from slixmpp.plugins.xep_0004.stanza import Form
from slixmpp.xmlstream import ET

from slixmpp_stage import DOMAIN, main, refused, story

NS_OWNER = "http://jabber.org/protocol/pubsub#owner"
NS_BOOKMARKS = "urn:xmpp:bookmarks:1"
NS_DEVICES = "eu.siacs.conversations.axolotl.devicelist"
NS_BUNDLE = "eu.siacs.conversations.axolotl.bundles:31415"
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f64540"
    "0000000049454e44ae426082"
)


def payload(tag, text="", **attrs):
    element = ET.Element(tag, attrs)
    element.text = text
    return element


def form(form_type, **fields):
    """A submitted form; `access_model` means pubsub#access_model."""
    f = Form()
    f["type"] = "submit"
    f.add_field(var="FORM_TYPE", ftype="hidden", value=f"http://jabber.org/protocol/pubsub#{form_type}")
    for name, value in fields.items():
        f.add_field(var=f"pubsub#{name}", value=value)
    return f


def items_of(iq):
    """(id, payload) of each."""
    items = iq.xml.findall(".//{http://jabber.org/protocol/pubsub}item")
    return [(item.get("id"), item[0] if len(item) else None) for item in items]


# ---- XEP-0060, 0163 ----


@story("xep_0060", "xep_0163")
async def an_account_is_a_service_with_nodes(stage):
    juliet = await stage.person("juliet")
    pubsub, mine = juliet["xep_0060"], juliet.boundjid.bare
    info = await juliet["xep_0030"].get_info(mine)
    assert ("pubsub", "pep") in {(i[0], i[1]) for i in info["disco_info"]["identities"]}
    await pubsub.create_node(mine, "urn:example:diary")
    await refused(pubsub.create_node(mine, "urn:example:diary"), "conflict")
    await pubsub.set_node_config(mine, "urn:example:diary", form("node_config", persist_items="1", max_items="3"))
    fields = (await pubsub.get_node_config(mine, "urn:example:diary"))["pubsub_owner"]["configure"]["form"].get_fields()
    assert fields["pubsub#max_items"]["value"] == "3"
    for i in range(5):
        await pubsub.publish(mine, "urn:example:diary", id=f"day{i}", payload=payload("{urn:example:diary}entry", str(i)))
    ids = sorted(id for id, _ in items_of(await pubsub.get_items(mine, "urn:example:diary")))
    assert ids == ["day2", "day3", "day4"], ids
    assert [item[1].text for item in items_of(await pubsub.get_item(mine, "urn:example:diary", "day3"))] == ["3"]
    await pubsub.retract(mine, "urn:example:diary", "day3")
    assert sorted(id for id, _ in items_of(await pubsub.get_items(mine, "urn:example:diary"))) == ["day2", "day4"]
    nodes = {item[1] for item in (await pubsub.get_nodes(mine))["disco_items"]["items"]}
    assert "urn:example:diary" in nodes
    await pubsub.purge(mine, "urn:example:diary")
    assert items_of(await pubsub.get_items(mine, "urn:example:diary")) == []
    await pubsub.delete_node(mine, "urn:example:diary")
    await refused(pubsub.get_items(mine, "urn:example:diary"), "item-not-found")


@story("xep_0060", "xep_0163")
async def only_those_whom_the_access_model_lets_in_may_read(stage):
    romeo, juliet, nurse = [await stage.person(name) for name in ("romeo", "juliet", "nurse")]
    await romeo.befriend(juliet)
    mine = juliet.boundjid.bare
    readers = {"open": (romeo, nurse), "presence": (romeo,), "whitelist": ()}
    for model, welcome in readers.items():
        node = f"urn:example:{model}"
        await juliet["xep_0060"].publish(
            mine, node, id="1", payload=payload(f"{{{node}}}x"), options=form("publish-options", access_model=model)
        )
        for reader in (romeo, nurse):
            request = reader["xep_0060"].get_items(mine, node)
            if reader in welcome:
                assert len(items_of(await request)) == 1
            else:
                await _closed(request)
    request = juliet["xep_0060"].publish(
        mine, "urn:example:open", payload=payload("{urn:example:open}x"), options=form("publish-options", access_model="whitelist")
    )
    await refused(request, "conflict")
    await juliet["xep_0060"].modify_affiliations(mine, "urn:example:whitelist", [(nurse.boundjid.bare, "member")])
    assert len(items_of(await nurse["xep_0060"].get_items(mine, "urn:example:whitelist"))) == 1


async def _closed(request):
    try:
        await request
    except slixmpp.exceptions.IqError as e:
        assert e.condition in ("not-allowed", "not-authorized", "forbidden", "service-unavailable"), e.condition
        return
    raise AssertionError("it could be read")


@story("xep_0060", "xep_0163", "xep_0172", watches=("user_nick_publish",))
async def a_contact_who_is_interested_is_told_and_told_again_when_it_comes_online(stage):
    romeo, juliet = await stage.person("romeo"), await stage.person("juliet")
    deaf = await stage.person("romeo", "without-interest", without=("xep_0172",))
    deaf.add_event_handler("message", lambda m: m)
    await romeo.befriend(juliet)
    await juliet["xep_0172"].publish_nick("Jule")
    event = await romeo.next("user_nick_publish")
    assert event["from"].bare == juliet.boundjid.bare
    assert event["pubsub_event"]["items"]["item"]["nick"]["nick"] == "Jule"
    own = await juliet.next("user_nick_publish")
    assert own["from"].bare == juliet.boundjid.bare
    late = await stage.person("romeo", "late")
    event = await late.next("user_nick_publish")
    assert event["pubsub_event"]["items"]["item"]["nick"]["nick"] == "Jule"
    await deaf.barrier()
    assert deaf.nothing("message", lambda m: m.xml.find("{http://jabber.org/protocol/pubsub#event}event") is not None)


# ---- XEP-0084, 0153, 0398 ----


@story("xep_0084", "xep_0153", "xep_0054", watches=("avatar_metadata_publish", "vcard_avatar_update"))
async def an_avatar_is_seen_by_contacts_and_in_the_vcard_and_in_presence(stage):
    romeo = await stage.person("romeo")
    juliet = await stage.person("juliet", without=("xep_0153", "xep_0054"))  # which knows of the new avatars only
    await romeo.befriend(juliet)
    digest = hashlib.sha1(PNG).hexdigest()
    await juliet["xep_0084"].publish_avatar(PNG)
    await juliet["xep_0084"].publish_avatar_metadata({"id": digest, "type": "image/png", "bytes": len(PNG)})
    event = await romeo.next("avatar_metadata_publish", lambda m: m["from"].bare == juliet.boundjid.bare)
    info = event["pubsub_event"]["items"]["item"]["avatar_metadata"]["items"][0]
    assert (info["id"], info["bytes"]) == (digest, len(PNG))
    data = await romeo["xep_0084"].retrieve_avatar(juliet.boundjid.bare, digest)
    assert data["pubsub"]["items"]["item"]["avatar_data"]["value"] == PNG
    juliet.send_presence(pshow="away")  # which knows nothing of pictures
    await romeo.next("vcard_avatar_update", lambda p: p["vcard_temp_update"]["photo"] == digest)
    vcard = await romeo["xep_0054"].get_vcard(juliet.boundjid.bare, cached=False)
    assert vcard["vcard_temp"]["PHOTO"]["BINVAL"] == PNG


@story("xep_0084", "xep_0153", "xep_0054", watches=("avatar_metadata_publish",))
async def a_picture_in_the_vcard_becomes_an_avatar(stage):
    romeo, juliet = await stage.person("romeo"), await stage.person("juliet")
    await romeo.befriend(juliet)
    await juliet["xep_0153"].set_avatar(avatar=PNG, mtype="image/png")
    digest = hashlib.sha1(PNG).hexdigest()
    event = await romeo.next("avatar_metadata_publish", lambda m: m["from"].bare == juliet.boundjid.bare)
    assert event["pubsub_event"]["items"]["item"]["avatar_metadata"]["items"][0]["id"] == digest
    data = await romeo["xep_0084"].retrieve_avatar(juliet.boundjid.bare, digest)
    assert data["pubsub"]["items"]["item"]["avatar_data"]["value"] == PNG


@story("xep_0292", "xep_0054")
async def a_new_vcard_is_an_old_one_too(stage):
    juliet = await stage.person("juliet")
    # Its own node is the namespace, which is not where the XEP has it.
    await juliet["xep_0292"].publish_vcard(
        full_name="Juliet Capulet", given="Juliet", surname="Capulet", node="urn:xmpp:vcard4"
    )
    vcard = await juliet["xep_0054"].get_vcard(juliet.boundjid.bare, cached=False)
    assert vcard["vcard_temp"]["FN"] == "Juliet Capulet"


# ---- XEP-0402, 0048, 0049, 0223 ----


def room_of(jid, name):
    bookmarks = slixmpp.plugins.xep_0048.stanza.Bookmarks()
    bookmarks.add_conference(jid, "Jule", name=name, autojoin=True)
    return bookmarks


@story("xep_0048", "xep_0049", "xep_0060", "xep_0163", "xep_0223")
async def an_old_bookmark_is_a_new_one(stage):
    juliet = await stage.person("juliet")
    await juliet["xep_0048"].set_bookmarks(room_of("garden@rooms.example", "Garden"), method="xep_0049")
    ((id, conference),) = items_of(await juliet["xep_0060"].get_items(juliet.boundjid.bare, NS_BOOKMARKS))
    assert id == "garden@rooms.example"
    assert conference.tag == f"{{{NS_BOOKMARKS}}}conference"
    assert (conference.get("name"), conference.get("autojoin")) in (("Garden", "true"), ("Garden", "1"))
    assert conference.find(f"{{{NS_BOOKMARKS}}}nick").text == "Jule"


@story("xep_0048", "xep_0049", "xep_0060", "xep_0163", "xep_0223")
async def a_new_bookmark_is_an_old_one(stage):
    juliet = await stage.person("juliet")
    conference = payload(f"{{{NS_BOOKMARKS}}}conference", name="Tomb", autojoin="true")
    ET.SubElement(conference, f"{{{NS_BOOKMARKS}}}nick").text = "Jule"
    await juliet["xep_0060"].publish(
        juliet.boundjid.bare,
        NS_BOOKMARKS,
        id="tomb@rooms.example",
        payload=conference,
        options=form("publish-options", persist_items="true", max_items="max", access_model="whitelist"),
    )
    stored = await juliet["xep_0048"].get_bookmarks(method="xep_0049")
    (room,) = list(stored["private"]["bookmarks"]["conferences"])
    assert (room["jid"], room["name"], room["autojoin"], room["nick"]) == ("tomb@rooms.example", "Tomb", True, "Jule")


@story("xep_0402", "xep_0060", "xep_0163", watches=("bookmark_publish",))
async def the_plugin_for_new_bookmarks_understands_them(stage):
    juliet = await stage.person("juliet")
    item = slixmpp.plugins.xep_0402.stanza.Conference()
    item["name"], item["autojoin"], item["nick"] = "Tomb", True, "Jule"
    await juliet["xep_0060"].publish(juliet.boundjid.bare, NS_BOOKMARKS, id="tomb@rooms.example", payload=item.xml)
    answer = await juliet["xep_0060"].get_items(juliet.boundjid.bare, NS_BOOKMARKS)
    (room,) = [i for i in answer["pubsub"]["items"]]
    assert (room["id"], room["conference"]["nick"], room["conference"]["autojoin"]) == ("tomb@rooms.example", "Jule", True)


@story("xep_0223", "xep_0163")
async def what_is_stored_in_private_stays_so(stage):
    romeo, juliet = await stage.person("romeo"), await stage.person("juliet")
    await romeo.befriend(juliet)

    class Secret(slixmpp.xmlstream.ElementBase):
        name, namespace, plugin_attrib = "secret", "urn:example:secret", "secret"

    await juliet["xep_0223"].store(Secret(), node="urn:example:secret", id="1")
    ((id, _),) = items_of(await juliet["xep_0223"].retrieve("urn:example:secret"))
    assert id == "1"
    await _closed(romeo["xep_0060"].get_items(juliet.boundjid.bare, "urn:example:secret"))


@story("xep_0490")
async def what_was_displayed_is_known_to_all_devices(stage):
    juliet = await stage.person("juliet")
    await juliet["xep_0490"].flag_chat("romeo@montague.example", "12345")
    desktop = await stage.person("juliet", "desktop")
    answer = await desktop["xep_0490"].catch_up()
    ((id, displayed),) = items_of(answer)
    assert id == "romeo@montague.example"
    assert displayed.find("{urn:xmpp:sid:0}stanza-id").get("id") == "12345"


# ---- XEP-0384 ----


@story("xep_0060", "xep_0163")
async def device_lists_and_bundles_are_published_as_encrypting_clients_do(stage):
    romeo, juliet = await stage.person("romeo"), await stage.person("juliet")
    romeo["xep_0163"].add_interest(NS_DEVICES)
    romeo["xep_0060"].map_node_event(NS_DEVICES, "devices")
    romeo.watch("devices_publish")
    await romeo["xep_0115"].update_caps(broadcast=False)
    await romeo.show_up()
    await romeo.befriend(juliet)
    mine = juliet.boundjid.bare
    devices = payload("{eu.siacs.conversations.axolotl}list")
    ET.SubElement(devices, "{eu.siacs.conversations.axolotl}device", id="31415")
    bundle = payload("{eu.siacs.conversations.axolotl}bundle")
    ET.SubElement(bundle, "{eu.siacs.conversations.axolotl}identityKey").text = "b64" * 16
    for node, content in ((NS_BUNDLE, bundle), (NS_DEVICES, devices)):
        await juliet["xep_0060"].publish(
            mine, node, id="current", payload=content, options=form("publish-options", access_model="open", persist_items="true")
        )
    event = await romeo.next("devices_publish")
    assert event["from"].bare == mine
    ((_, content),) = items_of(await romeo["xep_0060"].get_items(mine, NS_BUNDLE))
    assert content.find("{eu.siacs.conversations.axolotl}identityKey").text == "b64" * 16
    stranger = await stage.person("tybalt")
    assert len(items_of(await stranger["xep_0060"].get_items(mine, NS_DEVICES))) == 1


# ---- XEP-0050 ----


@story("xep_0050")
async def the_server_lists_commands_and_runs_them(stage):
    juliet = await stage.person("juliet")
    info = await juliet["xep_0030"].get_info(DOMAIN)
    assert "http://jabber.org/protocol/commands" in info["disco_info"]["features"]
    commands = [item[1] for item in (await juliet["xep_0050"].get_commands(DOMAIN))["disco_items"]["items"]]
    assert "urn:xmpp:invite#invite" in commands, commands
    done = asyncio.get_running_loop().create_future()
    session = {
        "next": lambda iq, s: done.done() or done.set_result(iq),
        "error": lambda iq, s: done.done() or done.set_exception(AssertionError(str(iq))),
    }
    juliet["xep_0050"].start_command(DOMAIN, "urn:xmpp:invite#invite", session)
    iq = await done
    assert iq["command"]["status"] in ("executing", "completed")
    if iq["command"]["status"] == "completed":
        assert "uri" in iq["command"]["form"].get_fields(), iq
    await refused(juliet["xep_0050"].send_command(DOMAIN, "no-such-command"), "item-not-found")


main()
