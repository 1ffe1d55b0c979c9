#!/usr/bin/python3
"""Accounts for measuring: made once, as SCRAM keys that every server can be given, so that no server is filled by hashing
passwords and all of them hold keys of the same cost.

  accounts.py make FILE COUNT          user0 ... with the passwords pass0 ..., one a line: name, tab, keys as RFC 5803 has
                                       them (SCRAM-SHA-1, 4096 iterations). A file that has some already is continued.
                                       Beside it goes FILE.keys, the clients' side of the same: what linnet_load takes
                                       with --keys, so that it has nothing to derive.
  accounts.py linnet FILE COUNT        the list that `linnetctl import` takes, on standard output
  accounts.py ejabberd FILE COUNT      Erlang terms: the records of its table `passwd`, on standard output
  accounts.py prosody FILE COUNT DIR   Prosody's files, in its folder of accounts
"""
import base64
import hashlib
import hmac
import itertools
import multiprocessing
import os
import re
import sys
import time

ITERATIONS = 4096
DOMAIN = "localhost"
KEYS = re.compile(r"SCRAM-SHA-1\$(\d+):([^$]+)\$([^:]+):(.+)")


def base64_of(data):
    return base64.b64encode(data).decode()


def lines_of(number):
    """What the server and what the client is given."""
    salt = base64_of(os.urandom(12)).encode()  # text, as Prosody keeps it
    salted = hashlib.pbkdf2_hmac("sha1", b"pass%d" % number, salt, ITERATIONS)
    client = hmac.digest(salted, b"Client Key", "sha1")
    stored = hashlib.sha1(client).digest()
    server = hmac.digest(salted, b"Server Key", "sha1")
    keys = " ".join(key.ljust(32, b"\0").hex() for key in (client, stored, server))
    return (f"user{number}\tSCRAM-SHA-1${ITERATIONS}:{base64_of(salt)}${base64_of(stored)}:{base64_of(server)}\n",
            f"user{number} SCRAM-SHA-1 {ITERATIONS} {base64_of(salt)} {keys}\n")


def line_count(path):
    """0 also if the last one is not whole, as when making them was broken off."""
    if not os.path.exists(path):
        return 0
    with open(path) as f:
        lines = f.readlines()
    return len(lines) if lines and lines[-1].endswith("\n") else 0


def make(path, count):
    have = line_count(path)
    mode = "a" if line_count(path + ".keys") == have else "w"
    if mode == "w":
        have = 0
    if have >= count:
        return
    with multiprocessing.Pool() as pool, open(path, mode) as servers, open(path + ".keys", mode) as clients:
        for server, client in pool.imap(lines_of, range(have, count), chunksize=100):
            servers.write(server)
            clients.write(client)


def accounts(path, count):
    """(name, iterations, salt, stored key, server key), the last three in base64"""
    with open(path) as f:
        for line in itertools.islice(f, count):
            name, keys = line.rstrip("\n").split("\t")
            yield name, *KEYS.fullmatch(keys).groups()


def linnet(path, count):
    with open(path) as f:
        for line in itertools.islice(f, count):
            sys.stdout.write(line.replace("\t", f"@{DOMAIN}\t", 1))


def ejabberd(path, count):
    for name, iterations, salt, stored, server in accounts(path, count):
        print(f'{{passwd,{{<<"{name}">>,<<"{DOMAIN}">>}},'
              f'{{scram,<<"{stored}">>,<<"{server}">>,<<"{salt}">>,sha,{iterations}}}}}.')


def prosody(path, count, folder):
    os.makedirs(folder, exist_ok=True)
    now = int(time.time())
    for name, iterations, salt, stored, server in accounts(path, count):
        fields = {
            "salt": '"%s"' % base64.b64decode(salt).decode(),
            "iteration_count": iterations,
            "stored_key": '"%s"' % base64.b64decode(stored).hex(),
            "server_key": '"%s"' % base64.b64decode(server).hex(),
            "created": now,
            "updated": now,
        }
        with open(os.path.join(folder, name + ".dat"), "w") as f:
            f.write("return {\n" + "".join(f'\t["{k}"] = {v};\n' for k, v in fields.items()) + "};\n")


COMMANDS = {"make": (make, 3), "linnet": (linnet, 3), "ejabberd": (ejabberd, 3), "prosody": (prosody, 4)}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS or len(sys.argv) != COMMANDS[sys.argv[1]][1] + 1:
        sys.exit(__doc__)
    COMMANDS[sys.argv[1]][0](sys.argv[2], int(sys.argv[3]), *sys.argv[4:])
