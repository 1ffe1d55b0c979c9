// tests/integration/xmppjs/stories.js PORT LINNETCTL SOCKET - told by xmpp.js: SASL2 (XEP-0388), Bind 2 (XEP-0386), FAST (XEP-0484) and
// stream management (XEP-0198) within them, as a client meets them that has all four.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { client, xml } from "@xmpp/client";

const [port, ctl, socket] = process.argv.slice(2);
const DOMAIN = "localhost";
const LIMIT_MS = 15_000;
const NS_SASL2 = "urn:xmpp:sasl:2";
const NS_BIND2 = "urn:xmpp:bind:0";
const NS_FAST = "urn:xmpp:fast:0";
const NS_SM = "urn:xmpp:sm:3";

let accounts = 0;
let people = [];

function account() {
  const username = `xmppjs${++accounts}`;
  execFileSync(ctl, ["--socket", socket, "adduser", `${username}@${DOMAIN}`], { input: "secret\n" });
  return { username, password: "secret" };
}

// A client that keeps what it sent and got.
function person(credentials, { resource = "js", userAgent = randomUUID() } = {}) {
  const c = client({
    service: `xmpp://127.0.0.1:${port}`,
    domain: DOMAIN,
    resource,
    credentials: { ...credentials },
    userAgent: xml("user-agent", { id: userAgent }, [xml("software", {}, "stories.js"), xml("device", {}, resource)]),
  });
  c.timeout = LIMIT_MS;
  c.reconnect.delay = 10;
  c.sent = [];
  c.got = [];
  c.errors = [];
  c.on("send", (element) => c.sent.push(element));
  c.on("element", (element) => c.got.push(element));
  c.on("error", (error) => c.errors.push(error));
  people.push(c);
  return c;
}

const last = (elements, name, ns) => elements.findLast((element) => element.is(name, ns));

async function until(c, claim, what) {
  for (const end = Date.now() + LIMIT_MS; !claim(); ) {
    if (Date.now() > end) assert.fail(`${what}: it took too long. It got: ${c.got.slice(-8).join("\n")}`);
    await Promise.race([once(c, "element"), new Promise((resolve) => setTimeout(resolve, 100))]);
  }
}

const bodies = (c) => c.got.map((element) => element.is("message") && element.getChildText("body")).filter(Boolean);

function say(c, to, body) {
  return c.send(xml("message", { type: "chat", to: to.toString(), id: randomUUID() }, xml("body", {}, body)));
}

async function acknowledged(c) {
  await c.send(xml("r", { xmlns: NS_SM }));
  await until(c, () => c.streamManagement.outbound_q.length === 0, "acknowledgement of all that was sent");
}

function inTime(promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error("it took too long")), LIMIT_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// The network takes the connection away. It comes back by itself.
async function cut(c) {
  const back = new Promise((resolve) => c.reconnect.once("reconnected", resolve));
  (c.socket.socket ?? c.socket).destroy();
  await back;
}

const stories = {
  async it_logs_in_by_sasl2_and_is_bound_and_counted_in_the_same_answer() {
    const juliet = person(account());
    await juliet.start();
    const asked = last(juliet.sent, "authenticate", NS_SASL2);
    assert.match(asked.attrs.mechanism, /^SCRAM-SHA-/);
    assert.ok(asked.getChild("bind", NS_BIND2).getChild("enable", NS_SM));
    const success = last(juliet.got, "success", NS_SASL2);
    const bound = success.getChild("bound", NS_BIND2);
    assert.ok(bound.getChild("enabled", NS_SM).attrs.id, success.toString());
    assert.equal(bound.getChild("enabled", NS_SM).attrs.resume, "true");
    assert.equal(success.getChildText("authorization-identifier"), juliet.jid.toString());
    assert.match(juliet.jid.resource, /^js/); // Bind 2: the tag is where the resource begins
    assert.ok(success.getChild("token", NS_FAST)?.attrs.token, "no token for the next time");
    await juliet.send(xml("presence"));
    await until(juliet, () => last(juliet.got, "presence"), "its own presence");
    await acknowledged(juliet);
  },

  async two_of_them_chat() {
    const juliet = person(account());
    const romeo = person(account());
    await Promise.all([juliet.start(), romeo.start()]);
    for (const c of [juliet, romeo]) await c.send(xml("presence"));
    await until(juliet, () => last(juliet.got, "presence"), "presence");
    for (let i = 0; i < 20; i++) await say(romeo, juliet.jid.bare(), `\u2665 ${i} <&>`);
    await until(juliet, () => bodies(juliet).length === 20, "20 messages");
    assert.deepEqual(bodies(juliet), Array.from({ length: 20 }, (_, i) => `\u2665 ${i} <&>`));
    await say(juliet, romeo.jid, "by the moon");
    await until(romeo, () => bodies(romeo).includes("by the moon"), "the answer");
    await Promise.all([acknowledged(juliet), acknowledged(romeo)]);
  },

  async a_connection_that_is_cut_is_resumed_within_the_login_and_misses_nothing() {
    const juliet = person(account());
    const romeo = person(account());
    await Promise.all([juliet.start(), romeo.start()]);
    await juliet.send(xml("presence"));
    await until(juliet, () => last(juliet.got, "presence"), "presence");
    const was = juliet.jid.toString();
    const expected = [];
    for (let turn = 0; turn < 5; turn++) {
      const resumed = once(juliet.streamManagement, "resumed");
      const back = cut(juliet);
      for (let i = 0; i < 10; i++) {
        expected.push(`${turn}.${i}`);
        await say(romeo, juliet.jid.bare(), expected.at(-1));
      }
      await Promise.all([back, resumed]);
      const asked = last(juliet.sent, "authenticate", NS_SASL2);
      assert.ok(asked.getChild("resume", NS_SM), asked.toString());
      assert.match(asked.attrs.mechanism, /^HT-SHA-256-/); // by its token, which saves the round trips of SCRAM
      const success = last(juliet.got, "success", NS_SASL2);
      assert.ok(success.getChild("resumed", NS_SM), success.toString());
      assert.equal(success.getChild("bound", NS_BIND2), undefined);
      await until(juliet, () => bodies(juliet).length >= expected.length, "what was said meanwhile");
      await say(juliet, romeo.jid, `back ${turn}`);
      await until(romeo, () => bodies(romeo).includes(`back ${turn}`), "a word of the one who came back");
    }
    await Promise.all([acknowledged(juliet), acknowledged(romeo)]);
    assert.deepEqual(bodies(juliet), expected);
    assert.deepEqual(bodies(romeo), [0, 1, 2, 3, 4].map((turn) => `back ${turn}`));
    assert.equal(juliet.jid.toString(), was);
  },

  async another_start_of_the_program_needs_no_password() {
    const { username, password } = account();
    const userAgent = randomUUID();
    const first = person({ username, password }, { userAgent });
    await first.start();
    const token = await first.fast.fetchToken();
    await first.stop();
    const second = person({ username, token }, { userAgent });
    await second.start();
    const asked = second.sent.filter((element) => element.getNS() === NS_SASL2);
    assert.equal(asked.length, 1, "one question"); // and one answer: a round trip
    assert.match(asked[0].attrs.mechanism, /^HT-SHA-256-/);
    assert.ok(last(second.got, "success", NS_SASL2).getChild("bound", NS_BIND2));
  },

  async a_token_is_of_no_use_to_another_client() {
    const { username, password } = account();
    const first = person({ username, password });
    await first.start();
    const token = await first.fast.fetchToken();
    const thief = person({ username, token }); // another user agent, and no password to fall back on
    await assert.rejects(Promise.race([thief.start(), once(thief, "error").then(([error]) => Promise.reject(error))]));
    assert.equal(last(thief.got, "success", NS_SASL2), undefined);
    assert.ok(last(thief.got, "failure", NS_SASL2));
  },

  async a_token_that_was_taken_back_is_answered_so_that_the_password_is_tried() {
    const { username, password } = account();
    const userAgent = randomUUID();
    const first = person({ username, password }, { userAgent });
    await first.start();
    const token = await first.fast.fetchToken();
    await first.stop();
    const worn = { ...token, token: `${token.token.slice(0, -4)}AAAA` };
    const second = person({ username, password, token: worn }, { userAgent });
    await second.start();
    const asked = second.sent.filter((element) => element.is("authenticate", NS_SASL2));
    assert.deepEqual(
      asked.map((element) => element.attrs.mechanism.split("-")[0]),
      ["HT", "SCRAM"],
    );
    assert.ok(last(second.got, "success", NS_SASL2).getChild("token", NS_FAST), "no new token");
  },

  async a_wrong_password_is_refused() {
    const { username } = account();
    const thief = person({ username, password: "montague" });
    await assert.rejects(Promise.race([thief.start(), once(thief, "error").then(([error]) => Promise.reject(error))]), {
      condition: "not-authorized",
    });
  },
};

async function end(c) {
  c.reconnect.stop();
  c.timeout = 1000;
  if (c.socket) await c.stop().catch(() => {});
  (c.socket?.socket ?? c.socket)?.destroy?.();
}

const parts = process.argv.slice(5);
let failed = 0;
for (const [name, tell] of Object.entries(stories)) {
  if (parts.length > 0 && !parts.some((part) => name.includes(part))) continue;
  let result = "ok";
  try {
    await inTime(tell());
  } catch (error) {
    console.error(error);
    for (const c of people) console.error(`${c.jid}: sent ${c.sent.slice(-3).join("\n")}\ngot ${c.got.slice(-3).join("\n")}\n`);
    failed++;
    result = "FAILED";
  }
  console.log(`${name.replaceAll("_", " ")}: ${result}`);
  await Promise.all(people.map(end));
  people = [];
}
process.exit(failed === 0 ? 0 : 1);
