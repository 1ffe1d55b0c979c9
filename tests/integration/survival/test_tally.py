#!/usr/bin/env python3
"""tests/integration/survival/test_tally.py - the tally of test_cuts.py and test_kills.py finds what is lost, what comes twice, and what comes
in the wrong order."""

import asyncio
import unittest

from tally import Tally


class TallyTest(unittest.TestCase):
    def setUp(self):
        self.tally = Tally()
        for number in range(3):
            self.tally.on_sent(f"romeo/phone {number}", ["juliet/phone", "juliet/desktop"])
            self.tally.on_acknowledged(f"romeo/phone {number}")

    def see(self, device, *numbers, how="live", shift=0):
        for number in numbers:
            self.tally.on_seen(f"juliet/{device}", f"romeo/phone {number}", str(100 + number + shift), how)

    def count(self, kind):
        asyncio.run(self.tally.complete(0.01))
        return self.tally.counts[kind]

    def test_nothing_is_wrong_with_all_messages_once(self):
        self.see("phone", 0, 1, 2)
        self.see("desktop", 0, 1, 2)
        for kind in ("lost", "never acknowledged", "duplicated by stanza-id", "duplicated by text", "out of order"):
            self.assertEqual(self.count(kind), 0, kind)
        self.assertEqual(self.tally.counts["delivered"], 6)
        self.assertEqual(self.tally.faults, [])

    def test_a_message_that_one_device_did_not_see_is_lost(self):
        self.see("phone", 0, 1, 2)
        self.see("desktop", 0, 2)
        self.assertEqual(self.count("lost"), 1)
        self.assertIn("'romeo/phone 1' never came to juliet/desktop", self.tally.faults[0])

    def test_one_stanza_id_twice_is_a_fault(self):
        self.see("phone", 0, 1, 1, 2)
        self.assertEqual(self.tally.counts["duplicated by stanza-id"], 1)

    def test_what_the_archive_gave_may_not_be_sent_again(self):
        self.see("phone", 0, 1, how="archive")
        self.see("phone", 1, 2)
        self.assertEqual(self.tally.counts["duplicated by stanza-id"], 1)

    def test_the_archive_may_give_what_was_live(self):
        self.see("phone", 0, 1)
        self.see("phone", 1, 2, how="archive")
        self.assertEqual(self.tally.counts["duplicated by stanza-id"], 0)
        self.assertEqual(self.tally.counts["read again in the archive"], 1)

    def test_one_text_with_two_ids_is_told_apart(self):
        self.see("phone", 0, 1, 2)
        self.see("phone", 1, shift=50)
        self.assertEqual(self.tally.counts["duplicated by stanza-id"], 0)
        self.assertEqual(self.tally.counts["duplicated by text"], 1)

    def test_a_message_before_an_older_one_is_out_of_order(self):
        self.see("phone", 0, 2, 1)
        self.assertEqual(self.tally.counts["out of order"], 1)

    def test_a_message_to_somebody_else_is_a_fault(self):
        self.tally.on_seen("paris/phone", "romeo/phone 0", "100", "live")
        self.assertEqual(self.tally.counts["unasked"], 1)

    def test_what_is_not_acknowledged_in_the_end_is_told(self):
        self.tally.on_sent("romeo/phone 3", [])
        self.assertEqual(self.count("never acknowledged"), 1)


unittest.main()
