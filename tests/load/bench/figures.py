"""tests/load/bench/figures.py - what callgrind counted, for each operation, beside baseline.txt.

For instructions.sh, which see. Exit status: 0 nothing costs more than is allowed, 1 something does.

baseline.txt has a paragraph for each platform: a line "platform ...", and lines of scenario and figures."""
import argparse
import pathlib
import re
import subprocess
import sys

ALLOWED = 1.05
COUNTED_CALLS = ("recv", "send", "epoll", "epoll_ctl", "event", "random", "other")  # the clock enters no kernel
ATOMIC = re.compile(r"^\s*([0-9a-f]+):\s+(?:lock |xchg .*\()")  # xchg with memory needs no prefix


class Profile:
    """A file of callgrind's, written with --dump-instr=yes and without compression."""

    def __init__(self, path):
        self.total = 0
        self.executed = {}  # (object, address): how often
        lines = iter(path.read_text().splitlines())
        binary = None
        for line in lines:
            if line.startswith("totals: "):
                self.total = int(line.split()[1])
            elif line.startswith("ob="):
                binary = line[3:]
            elif line.startswith("calls="):
                next(lines)  # what was spent in the function that is called
            elif line.startswith("0x"):
                address, _, cost = line.split()
                where = (binary, int(address, 16))
                self.executed[where] = self.executed.get(where, 0) + int(cost)


def atomics_of(binary):
    """Addresses of all atomic read-modify-writes in a program or library (x86-64)."""
    if not pathlib.Path(binary).is_file():
        return set()
    listing = subprocess.run(["objdump", "-d", "--no-show-raw-insn", binary], capture_output=True, text=True, check=True)
    found = (ATOMIC.match(line) for line in listing.stdout.splitlines())
    return {(binary, int(match[1], 16)) for match in found if match}


def read_work(path):
    """How many operations there were, and calls of each kind: what linnet_instructions printed."""
    return {name: int(number) for name, number in (line.split() for line in path.read_text().splitlines())}


def measure(folder, scenarios, counts_atomics):
    """{scenario: (instructions, atomics, system calls)}, each for one operation."""
    profiles = {name: Profile(folder / f"{name}.callgrind") for name in scenarios}
    binaries = {binary for p in profiles.values() for binary, _ in p.executed}
    atomics = set().union(*(atomics_of(b) for b in binaries)) if counts_atomics else set()
    figures = {}
    for name, profile in profiles.items():
        work = read_work(folder / f"{name}.work")
        n = work["operations"]
        figures[name] = (
            round(profile.total / n),
            round(sum(count for where, count in profile.executed.items() if where in atomics) / n, 2),
            round(sum(work[call] for call in COUNTED_CALLS) / n, 2),
        )
    return figures


# ---- baseline.txt ----


def read_baseline(path):
    """The comment at its top, and {platform: {scenario: figures as of measure()}}."""
    comment, platforms, here = [], {}, None
    for line in path.read_text().splitlines():
        words = line.split()
        if line.startswith("#"):
            comment.append(line)
        elif line.startswith("platform "):
            here = platforms.setdefault(line[len("platform "):], {})
        elif words:
            here[words[0]] = (int(words[1]), float(words[2]), float(words[3]))
    return comment, platforms


def write_baseline(path, comment, platforms):
    lines = list(comment)
    for platform, figures in platforms.items():
        lines += ["", f"platform {platform}"]
        lines += [f"{name:<18} {f[0]:8} {f[1]:6.2f} {f[2]:6.2f}" for name, f in figures.items()]
    path.write_text("\n".join(lines) + "\n")


# ---- comparing ----


def change(now, then):
    return f"{100 * now / then - 100:+.1f} %" if then > 0 else "new"


def table_line(name, figures, before):
    instructions, atomics, calls = figures
    line = f"{name:<18} {instructions:12} {atomics:8.2f} {calls:12.2f}"
    if before is None:
        return f"{line} {'-':>12}"
    return f"{line} {before[0]:12} {change(instructions, before[0]):>10}"


def complaint(figures, before):
    """None: it costs no more than it did."""
    units = ("instructions", "atomic read-modify-writes", "system calls")
    for now, then, unit in zip(figures, before, units):
        if now > then * ALLOWED and now - then > 0.015:  # the last digit may be rounded otherwise
            return f"{now} {unit} for each operation, where baseline.txt has {then}: {change(now, then)}"
    return None


def compare(folder, figures, before):
    print(f"{'one operation':<18} {'instructions':>12} {'atomics':>8} {'system calls':>12} {'baseline':>12} {'change':>10}")
    complaints = {}
    for name, now in figures.items():
        print(table_line(name, now, before.get(name)))
        what = complaint(now, before[name]) if name in before else None
        if what is not None:
            complaints[name] = what
    for name, what in complaints.items():
        print(f"\n{name}: {what} ({100 * ALLOWED - 100:.0f} % are allowed)")
        print(f"  where they go:  callgrind_annotate --inclusive=yes {folder / name}.callgrind")
    if complaints:
        print("\nIf it is worth that:  sh tests/load/bench/instructions.sh --accept")
        print("and commit baseline.txt with the reason.")
    return not complaints


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("baseline", type=pathlib.Path)
    parser.add_argument("platform")
    parser.add_argument("scenarios", nargs="+")
    parser.add_argument("--accept", action="store_true")
    args = parser.parse_args()

    figures = measure(args.folder, args.scenarios, args.platform.startswith("x86_64"))
    comment, platforms = read_baseline(args.baseline)
    is_well = compare(args.folder, figures, platforms.get(args.platform, {}))
    if args.accept:
        platforms.setdefault(args.platform, {}).update(figures)
        write_baseline(args.baseline, comment, platforms)
        print(f"\nbaseline.txt has these figures now, for {args.platform}.")
        return 0
    if args.platform not in platforms:
        print(f"\nNothing was compared: baseline.txt has no figures for this platform,\n  {args.platform}\nbut for")
        print("\n".join(f"  {platform}" for platform in platforms) or "  none")
        print("To add these: sh tests/load/bench/instructions.sh --accept")
    return 0 if is_well else 1


sys.exit(main())
