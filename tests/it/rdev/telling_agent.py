#!/usr/bin/env python3
"""A stand-in for Claude Code that tells its secrets in every encoding, in its events and in its answer.

Its answer begins with what is not secret: how it found them.
"""

import base64
import json
import os
import stat
import subprocess
import sys
import urllib.parse

if sys.argv[1:] == ["--version"]:
    print("9.9.9 (Claude Code)")
    sys.exit()


def say(line):
    print(json.dumps(line), flush=True)


def message(text):
    say({"type": "assistant", "message": {"content": [{"type": "text", "text": text}]}})


def forms(secret):
    raw = secret.encode()
    yield secret
    yield base64.b64encode(raw).decode()
    yield base64.b64encode(b"x" + raw).decode()
    yield base64.urlsafe_b64encode(b"xx" + raw).decode()
    yield raw.hex()
    yield raw.hex().upper()
    yield urllib.parse.quote(secret, safe="")
    yield json.dumps(json.dumps(secret))


sys.stdin.readline()
path = os.environ["KUBECONFIG"]
mode = lambda path: oct(stat.S_IMODE(os.stat(path).st_mode))[2:]
asked = subprocess.run(
    ["git", "credential", "fill"],
    input="protocol=https\nhost=git.example.com\n\n",
    capture_output=True,
    text=True,
    env={**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "true"},
)
answer = dict(line.split("=", 1) for line in asked.stdout.splitlines())
configuration = subprocess.run(["git", "config", "--list"], capture_output=True, text=True).stdout
secrets = [os.environ["TOKEN"], open(path).read(), answer["password"]]
visible = configuration + open("/proc/self/cmdline").read()
facts = {
    "file": mode(path),
    "folder": mode(os.environ["RDEV_SECRETS"]),
    "username": answer["username"],
    "is_visible": any(secret in visible for secret in secrets),
    "others": sorted(name for name in os.environ if name.startswith("OTHER")),
}

say({"type": "system", "subtype": "init", "session_id": "one", "model": "m"})
pair = "{username}:{password}".format(**answer)
shown = [form for secret in secrets + [pair] for form in forms(secret)]
for form in shown:
    message("It is " + form + ".")
    print("not JSON: " + form, flush=True)
    print("stderr: " + form, file=sys.stderr, flush=True)
half = secrets[0][: len(secrets[0]) // 2]
message("The first half is " + half)
message(secrets[0][len(half) :] + " is the second.")
result = json.dumps(facts) + "\n" + "\n".join(shown)
say({"type": "result", "subtype": "success", "is_error": False, "result": result, "session_id": "one"})
sys.stdin.read()
