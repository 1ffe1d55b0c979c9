#!/usr/bin/python3
"""What compare.sh and haproxy.sh have measured, as tables for people and as data for the charts.

  table.py DIR FILE      puts the tables made of DIR/json/*.json between the marks in FILE (a file that is not there is made of
                         the tables alone), prints them, and writes the data of plot.gp into DIR/plot
  table.py --line RUN    one line about one run; RUN is a path without its ending

A run is DIR/json/SCENARIO.SERVER.REPETITION.json; one that failed has a .failed beside it, or instead of it: the exit status of
the generator and what it said.
All figures are medians over the repetitions. Runs that failed do not count.
"""
import glob
import json
import os
import re
import statistics
import sys

NAMES = {"linnet": "linnet", "relay": "relay", "prosody": "Prosody", "ejabberd": "ejabberd"}
PEERS = ("prosody", "ejabberd")


# ---- reading ----

def why(path):
    """One sentence: that of the report, if there is one."""
    with open(path) as f:
        status, *said = [line.strip() for line in f if line.strip()]
    report = path.removesuffix("failed") + "json"
    if os.path.exists(report):
        with open(report) as f:
            reason = json.load(f).get("why_not")
        if reason:
            return reason
    if status == "124":
        return "it did not end and was ended"
    if status.isdigit():
        status = f"exit status {status}"
    return f"{status}: {said[-1] if said else 'nothing was said'}"


class Results:
    def __init__(self, folder):
        self.folder = folder
        self.runs = {}  # (scenario, server) -> [report]
        self.failures = {}  # (scenario, server) -> [reason]
        for path in sorted(glob.glob(os.path.join(folder, "json", "*"))):
            scenario, server, repetition, ending = os.path.basename(path).split(".")
            if ending == "failed":
                self.failures.setdefault((scenario, server), []).append(why(path))
            elif not os.path.exists(path.removesuffix("json") + "failed"):
                with open(path) as f:
                    self.runs.setdefault((scenario, server), []).append(json.load(f))

    def settings(self):
        path = os.path.join(self.folder, "settings.tsv")
        if not os.path.exists(path):
            return []
        with open(path) as f:
            return [line.rstrip("\n").split("\t", 1) for line in f]

    def title(self, text):
        """With the sizes of the crowd as they were: a limit of open files may have made it smaller."""
        few, many = (dict(self.settings()).get("crowd") or "1000, 50000").split(", ")
        return text.format(few=few, many=many)

    def values(self, scenario, server, figure):
        found = (figure(report) for report in self.runs.get((scenario, server), []))
        return [value for value in found if value is not None]

    def median(self, scenario, server, figure):
        values = self.values(scenario, server, figure)
        return statistics.median(values) if values else None

    def has_failed(self, scenario, server):
        return (scenario, server) in self.failures and (scenario, server) not in self.runs


# ---- figures of one run; None: it has none ----

def server_figure(name, factor=1.0):
    def figure(report):
        value = (report.get("server") or {}).get(name)
        return None if value is None else value * factor
    return figure


def latency(name):
    def figure(report):
        return (report.get("latency_ms") or {}).get(name)
    return figure


def plain(name):
    return lambda report: report.get(name)


cpu_us = server_figure("cpu_us_each")
cpu_ms = server_figure("cpu_us_each", 1e-3)
kib = server_figure("pss_kib_each")
rate = plain("rate")


def handshake_ms(rows):
    """Of linnet_handshake: a full one, bare, as a client of today offers it, by the newest version."""
    wanted = [row for row in rows if row["certificate"] == "P-256" and row["offered"] == "X25519:P-256" and row["kind"] == "full"]
    return max(wanted, key=lambda row: row["version"])["bare_ms"] if wanted else None


def user_us(report):
    server = report.get("server") or {}
    return 1e6 * server["cpu_user_s"] / report["count"] if report.get("count") and "cpu_user_s" in server else None


def system_share(report):
    server = report.get("server") or {}
    total = server.get("cpu_user_s", 0) + server.get("cpu_system_s", 0)
    return 100 * server["cpu_system_s"] / total if total > 0 else None


# ---- text ----

def number(value):
    """Three digits that count, and never an exponent."""
    if value is None:
        return "—"
    if value >= 9999.5:
        return f"{round(value, -len(str(int(value))) + 3):,.0f}".replace(",", " ")
    if value >= 99.95:
        return f"{value:.0f}"
    if value >= 9.995:
        return f"{value:.1f}"
    if value >= 0.0995:
        return f"{value:.2f}"
    return f"{value:.3f}"


def ratio(a, b):
    return None if a is None or not b else a / b


def times(value):
    return "—" if value is None else f"{number(value)} ×"


def part(value):
    """A ratio below 1 as 1/n."""
    if value is None:
        return "—"
    return f"1/{number(1 / value)}" if 0 < value < 1 else times(value)


def markdown(header, rows):
    align = ["---"] + ["---:"] * (len(header) - 1)
    return "\n".join("| " + " | ".join(row) + " |" for row in [header, align, *rows]) + "\n"


# ---- the numbers that linnet is held to ----

def better(results, scenario, figure):
    """The better peer's."""
    values = [v for v in (results.median(scenario, p, figure) for p in PEERS) if v is not None]
    return min(values) if values else None


class Goal:
    """A row: the value measured, how it is written, and what it is to be at most (`aims`), each a number for each value."""

    def __init__(self, title, scenarios, first, aim, values, aims, write):
        self.title, self.scenarios, self.first, self.aim = title, scenarios, first, aim
        self.values, self.aims, self.write = values, aims, write

    def verdict(self, values):
        known = [(value, aim) for value, aim in zip(values, self.aims) if value is not None]
        if not known:
            return "—"
        met = sum(value <= aim for value, aim in known)
        return "yes" if met == len(known) else "no" if met == 0 else "in part"

    def row(self, results):
        values = self.values(results)
        return [results.title(self.title), self.first, self.aim, " · ".join(write(v) for write, v in zip(self.write, values)),
                self.verdict(values), f"`{self.scenarios}`"]


def against(scenario, figure, *others):
    def values(results):
        own = results.median(scenario, "linnet", figure)
        return [ratio(own, results.median(scenario, other, figure)) for other in others]
    return values


def against_better(scenario, figure, own_scenario=None):
    return lambda r: [ratio(r.median(own_scenario or scenario, "linnet", figure), better(r, scenario, figure))]


def own(scenario, figure):
    return lambda r: [r.median(scenario, "linnet", figure)]


def between(scenario, other, figure):
    return lambda r: [ratio(r.median(scenario, "linnet", figure), r.median(other, "linnet", figure))]


def login_to_handshake(results):
    return [ratio(results.median("login-scram-tls", "linnet", cpu_ms), results.median("handshake", "linnet", handshake_ms))]


def soak_growth(report):
    return (report.get("soak") or {}).get("ratio")


def all_back_s(report):
    return (report.get("reconnect") or {}).get("all_back_s")


def unit(name):
    return lambda value: "—" if value is None else f"{number(value)} {name}"


GOALS = [
    Goal("chat, window 1: CPU per message, against the relay", "chat-w1", "≤ 2 ×", "≤ 1.25 ×",
         against("chat-w1", cpu_us, "relay"), [1.25], [times]),
    Goal("chat, window 16: CPU per message, against the relay · Prosody · ejabberd", "chat-w16", "≤ 8 × · 1/12 · 1/20",
         "≤ 3 × · 1/35 · 1/60", against("chat-w16", cpu_us, "relay", "prosody", "ejabberd"), [3, 1 / 35, 1 / 60],
         [times, part, part]),
    Goal("SCRAM-SHA-1 login over plain TCP: CPU, against the better peer", "login-scram", "≤ 1/8", "≤ 1/25",
         against_better("login-scram", cpu_us), [1 / 25], [part]),
    Goal("presence fan-out: CPU per delivery, against the better peer", "presence", "≤ 1/6", "≤ 1/12",
         against_better("presence", cpu_us), [1 / 12], [part]),
    Goal("room fan-out: CPU per delivery, against the better peer", "room", "≤ 1/6", "≤ 1/12",
         against_better("room", cpu_us), [1 / 12], [part]),
    Goal("memory per idle session without TLS (PSS)", "idle-plain", "≤ 4 KiB", "≤ 1.5 KiB",
         own("idle-plain", kib), [1.5], [unit("KiB")]),
    Goal("memory per idle session with TLS (PSS)", "idle-tls", "≤ 24 KiB", "≤ 12 KiB",
         own("idle-tls", kib), [12], [unit("KiB")]),
    Goal("p99 of a chat at 5 000 messages a second on one core", "chat-open", "≤ 5 ms", "≤ 1 ms",
         own("chat-open", latency("p99")), [1], [unit("ms")]),
    Goal("CPU per message with 2 workers on 2 cores, against 1 on 1", "chat-w16,chat-w16-2cores", "≤ 1.25 ×", "≤ 1.05 ×",
         between("chat-w16-2cores", "chat-w16", cpu_us), [1.05], [times]),
    Goal("login over TLS: CPU, against the library's bare handshake", "login-scram-tls", "", "≤ 1.15 ×",
         login_to_handshake, [1.15], [times]),
    Goal("login over TLS with a resumed session: CPU, against the better peer's full login", "login-scram-tls,login-resume", "",
         "≤ 1/10", against_better("login-scram-tls", cpu_us, "login-resume"), [1 / 10], [part]),
    Goal("p99 of a chat during a storm of TLS logins", "storm", "", "≤ 20 ms",
         own("storm", latency("p99")), [20], [unit("ms")]),
    # The kernel's share is nothing but reading and writing sockets. (The relay is no measure here: the answers to the user
    # who comes share a few writes, so that linnet's total is below the relay's.)
    Goal("one user with many contacts online comes online: CPU outside the kernel per delivery", "presence-online", "",
         "≤ 1.5 µs", own("presence-online", user_us), [1.5], [unit("µs")]),
    Goal("CPU per message with {many} idle sessions beside, against {few}", "crowd", "", "≤ 1.15 ×",
         between("crowd-many", "crowd-few", cpu_us), [1.15], [times]),
    Goal("memory after all logins of a soak, against that after the first 10 000", "soak", "", "≤ 1.1 ×",
         own("soak", soak_growth), [1.1], [times]),
]


def goals_table(results):
    header = ["figure", "first version", "aim", "measured", "aim met", "scenario"]
    return markdown(header, [goal.row(results) for goal in GOALS])


# ---- everybody beside everybody ----

SIDE_BY_SIDE = [
    # what, scenario, figure, whether less is better
    ("chat, window 1: CPU µs a message", "chat-w1", cpu_us, True),
    ("· messages a second", "chat-w1", rate, False),
    ("· share of that CPU in the kernel, %", "chat-w1", system_share, None),
    ("chat, window 16: CPU µs a message", "chat-w16", cpu_us, True),
    ("· messages a second", "chat-w16", rate, False),
    ("· share of that CPU in the kernel, %", "chat-w16", system_share, None),
    ("chat, window 16, on two cores: CPU µs a message", "chat-w16-2cores", cpu_us, True),
    ("· messages a second", "chat-w16-2cores", rate, False),
    ("chat, 5 000 messages a second: p50, ms", "chat-open", latency("p50"), True),
    ("· p99, ms", "chat-open", latency("p99"), True),
    ("· p99.9, ms", "chat-open", latency("p999"), True),
    ("· CPU µs a message", "chat-open", cpu_us, True),
    ("login, SCRAM-SHA-1 over plain TCP: CPU ms", "login-scram", cpu_ms, True),
    ("· logins a second", "login-scram", rate, False),
    ("the same users once more: CPU ms", "login-again", cpu_ms, True),
    ("· logins a second", "login-again", rate, False),
    ("login, SCRAM-SHA-1 after STARTTLS: CPU ms", "login-scram-tls", cpu_ms, True),
    ("· logins a second", "login-scram-tls", rate, False),
    ("· of it a bare handshake of mbedTLS, alone: CPU ms", "handshake", handshake_ms, None),
    ("login, PLAIN after STARTTLS: CPU ms", "login-plain-tls", cpu_ms, True),
    ("· logins a second", "login-plain-tls", rate, False),
    ("login, SCRAM-SHA-1 after STARTTLS, TLS resumed: CPU ms", "login-resume", cpu_ms, True),
    ("· logins a second", "login-resume", rate, False),
    ("idle session over plain TCP: KiB of PSS", "idle-plain", kib, True),
    ("idle session over TLS: KiB of PSS", "idle-tls", kib, True),
    ("presence, 100 users with 20 contacts: CPU µs a delivery", "presence", cpu_us, True),
    ("presence, one user with many contacts goes away and back: CPU µs a delivery", "presence-star", cpu_us, True),
    ("· leaves and comes online: CPU µs a delivery", "presence-online", cpu_us, None),
    ("· of it outside the kernel, µs", "presence-online", user_us, None),
    ("room of 100: CPU µs a delivery", "room", cpu_us, True),
    ("all TLS sessions cut, all come back: CPU ms each", "reconnect", cpu_ms, True),
    ("· seconds until all are back", "reconnect", all_back_s, True),
    ("chat during a storm of TLS logins: p50, ms", "storm", latency("p50"), True),
    ("· p99, ms", "storm", latency("p99"), True),
    ("· TLS logins a second of that storm", "storm-logins", rate, False),
    ("chat, window 16, {few} idle sessions beside it: CPU µs a message", "crowd-few", cpu_us, True),
    ("· {many} idle sessions beside it: CPU µs a message", "crowd-many", cpu_us, True),
]


def cell(results, scenario, server, figure):
    if results.has_failed(scenario, server):
        return "failed"
    return number(results.median(scenario, server, figure))


def spread(results, scenario, figure):
    """The widest range between repetitions of any server, in per cent of its median."""
    widest = 0
    for server in NAMES:
        values = results.values(scenario, server, figure)
        if len(values) > 1 and statistics.median(values) > 0:
            widest = max(widest, (max(values) - min(values)) / statistics.median(values))
    return f"{100 * widest:.0f} %" if widest > 0 else "—"


def compared(results, scenario, figure, less_is_better):
    values = [v for v in (results.median(scenario, p, figure) for p in PEERS) if v is not None]
    mine = results.median(scenario, "linnet", figure)
    if less_is_better is None or not values or mine is None:
        return "—"
    return part(ratio(mine, min(values) if less_is_better else max(values)))


def side_by_side(results):
    header = ["", *NAMES.values(), "linnet to the better peer", "spread"]
    rows = []
    for what, scenario, figure, less_is_better in SIDE_BY_SIDE:
        if not any(s == scenario for s, _ in (*results.runs, *results.failures)):
            continue
        rows.append([results.title(what), *(cell(results, scenario, server, figure) for server in NAMES),
                     compared(results, scenario, figure, less_is_better), spread(results, scenario, figure)])
    return markdown(header, rows)


def failures(results):
    lines = []
    for (scenario, server), reasons in sorted(results.failures.items()):
        good = len(results.runs.get((scenario, server), []))
        lines.append(f"- {NAMES.get(server, server)}, {scenario}: {len(reasons)} of {len(reasons) + good} runs failed: "
                     f"{reasons[-1]}\n")
    return "Runs that failed:\n\n" + "".join(lines) + "\n" if lines else ""


def settings_table(results):
    rows = results.settings()
    return markdown(["", "of this measurement"], rows).replace("---:", "---") if rows else ""


def measured(results):
    return "\n".join(filter(None, [goals_table(results), side_by_side(results), failures(results), settings_table(results)]))


# ---- through HAProxy ----

def proxied(results):
    header = ["linnet", "directly", "through HAProxy, PROXY v2"]
    rows = []
    for what, scenario, figure in (
            ("chat, window 16: CPU µs a message, of linnet alone", "proxy-chat", cpu_us),
            ("· messages a second", "proxy-chat", rate),
            ("p50, ms", "proxy-chat", latency("p50")),
            ("· p99, ms", "proxy-chat", latency("p99")),
            ("login, SCRAM-SHA-1 after STARTTLS: CPU ms, of linnet alone", "proxy-login", cpu_ms),
            ("· logins a second", "proxy-login", rate)):
        rows.append([what, cell(results, scenario, "direct", figure), cell(results, scenario, "haproxy", figure)])
    return "\n".join(filter(None, [markdown(header, rows), failures(results), settings_table(results)]))


# ---- the charts' data ----

CHARTS = {
    # file: columns of (scenario, figure); a row for each server
    "cpu": [("chat-w1", cpu_us), ("chat-w16", cpu_us)],
    "latency": [("chat-open", latency(p)) for p in ("p50", "p90", "p99", "p999")],
    "memory": [("idle-plain", kib), ("idle-tls", kib)],
    "login": [(f"login-{kind}", cpu_ms) for kind in ("scram", "scram-tls", "plain-tls", "resume")],
}


def write_charts(results):
    folder = os.path.join(results.folder, "plot")
    os.makedirs(folder, exist_ok=True)
    for name, columns in CHARTS.items():
        with open(os.path.join(folder, name + ".dat"), "w") as f:
            for server, title in NAMES.items():
                values = [results.median(scenario, server, figure) for scenario, figure in columns]
                if any(value is not None for value in values):
                    print(title, *("-" if value is None else f"{value:.6g}" for value in values), file=f)


# ---- main ----

def put_between_marks(path, name, text):
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before = ""
    if os.path.exists(path):
        with open(path) as f:
            before = f.read()
    if begin not in before or end not in before:
        before = f"{before}{begin}\n{end}\n"
    after = re.sub(re.escape(begin) + ".*?" + re.escape(end), lambda _: f"{begin}\n{text}\n{end}", before, flags=re.DOTALL)
    with open(path, "w") as f:
        f.write(after)


def one_line(run):
    if os.path.exists(run + ".failed"):
        return f"{os.path.basename(run):28} failed: {why(run + '.failed')}"
    with open(run + ".json") as f:
        report = json.load(f)
    figures = [(rate, "{} a second"), (cpu_us, "CPU {} µs each"), (latency("p50"), "p50 {} ms"), (latency("p99"), "p99 {} ms")]
    if report["scenario"] == "idle":
        figures = [(kib, "{} KiB each")]
    told = [text.format(number(figure(report))) for figure, text in figures if figure(report) is not None]
    return f"{os.path.basename(run):28} " + ", ".join(told)


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "--line":
        print(one_line(sys.argv[2]))
        return
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    results = Results(sys.argv[1])
    is_proxied = any(scenario.startswith("proxy-") for scenario, _ in (*results.runs, *results.failures))
    text = proxied(results) if is_proxied else measured(results)
    put_between_marks(sys.argv[2], "proxied" if is_proxied else "measured", text)
    if not is_proxied:
        write_charts(results)
    print(text)


if __name__ == "__main__":
    main()
