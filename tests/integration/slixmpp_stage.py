"""tests/integration/slixmpp_stage.py - for smoke_slixmpp_*.sh: stories told by slixmpp's own plugins, each with accounts of its own.

A program of this kind is

    @story("xep_0280", ...)                   the plugins that its persons have; where one is missing it is skipped
    async def its_name_is_the_sentence_it_proves(stage):
        juliet = await stage.person("juliet")
        ...

    main()

and is called with the number of the port, the path of linnetctl and of its socket; then, if not all stories are to be told, parts of
their names.
"""

import asyncio
import itertools
import logging
import subprocess
import sys
import traceback

from slixmpp.exceptions import IqError

from slixmpp_person import DOMAIN, Person, has_plugin

LIMIT_S = 20
COMMON = ("xep_0030", "xep_0199")
_stories = []


def story(*plugins, watches=()):
    def remember(tell):
        _stories.append((tell, plugins, watches))
        return tell

    return remember


class Stage:
    _numbers = itertools.count(1)

    def __init__(self, port, ctl, plugins, watches):
        self.port, self.ctl, self.plugins, self.watches = port, ctl, plugins, watches
        self.number = next(self._numbers)
        self.accounts = set()
        self.persons = []

    def bare(self, name):
        return f"{name}{self.number}@{DOMAIN}"

    async def person(self, name, resource="phone", without=(), is_online=True):
        """Logged in, and online. One name is one account."""
        bare = self.bare(name)
        if bare not in self.accounts:
            self.accounts.add(bare)
            subprocess.run([*self.ctl, "adduser", bare], input=b"secret\n", check=True, stdout=subprocess.DEVNULL)
        plugins = [p for p in (*COMMON, *self.plugins) if p not in without]
        person = Person(f"{bare}/{resource}", "secret", plugins, self.watches)
        self.persons.append(person)
        if is_online:
            await person.arrive(self.port)
        return person

    async def end(self):
        for person in self.persons:
            if person.transport is not None:
                await person.disconnect()


async def refused(request, condition):
    """It must be answered with that error."""
    try:
        await request
    except IqError as e:
        assert e.condition == condition, f"{e.condition}, not {condition}"
        return e
    raise AssertionError(f"it was not refused with {condition}")


class Skip(Exception):
    """This slixmpp cannot tell this story; why."""


def speaks(person, plugin, namespace):
    """Else the story is skipped: an older release speaks an older version of the protocol."""
    old = person[plugin].stanza.NS if hasattr(person[plugin].stanza, "NS") else person[plugin].stanza.Report.namespace
    if old != namespace:
        raise Skip(f"this slixmpp speaks {old}")


async def _tell(port, ctl, tell, plugins, watches):
    """What became of it."""
    missing = [plugin for plugin in plugins if not has_plugin(plugin)]
    if missing:
        return f"skipped, since this slixmpp has no {', '.join(missing)}"
    stage = Stage(port, ctl, plugins, watches)
    try:
        await asyncio.wait_for(tell(stage), LIMIT_S)
        return "ok"
    except Skip as e:
        return f"skipped, since {e}"
    except (asyncio.TimeoutError, asyncio.CancelledError) as e:
        print("".join(traceback.format_exception(e.__cause__ or e)), file=sys.stderr)
        return "FAILED: it took too long"
    except Exception:
        traceback.print_exc()
        return "FAILED"
    finally:
        await stage.end()


async def _tell_all(port, ctl, parts):
    results = []
    for tell, plugins, watches in _stories:
        if parts and not any(part in tell.__name__ for part in parts):
            continue
        results.append(await _tell(port, ctl, tell, plugins, watches))
        print(f"{tell.__name__.replace('_', ' ')}: {results[-1]}", flush=True)
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    if "ok" not in results:
        print("not one story was told to its end", file=sys.stderr)
    return "ok" in results and not any(result.startswith("FAILED") for result in results)


def main():
    port, ctl, socket, *parts = sys.argv[1:]
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # slixmpp leaves tasks behind
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    is_fine = loop.run_until_complete(_tell_all(int(port), [ctl, "--socket", socket], parts))
    sys.exit(0 if is_fine else 1)
