#!/usr/bin/env python3
"""Writes encodings.json: a secret, by itself and within other text, in many encodings."""

import base64
import binascii
import codecs
import json
import pathlib
import subprocess

SECRET = "sk-Ant0/Quiet+Harbor_93zQ!"
Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
BASE85 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"


def b64(text):
    return base64.b64encode(text.encode()).decode()


def mime(text):
    return base64.encodebytes(text.encode()).decode().strip()


def z85(text):
    padded = text.encode() + bytes(-len(text) % 4)
    return base64.b85encode(padded).decode().translate(str.maketrans(BASE85, Z85))


def od(*options):
    def encode(text):
        return subprocess.run(["od", *options], input=text.encode(), stdout=subprocess.PIPE, check=True).stdout.decode()
    return encode


def lines_of_16(text):
    data = text.encode()
    for at in range(0, len(data), 16):
        line = data[at:at + 16]
        yield at, line, "".join(chr(byte) if 32 <= byte < 127 else "." for byte in line)


def xxd(text):
    lines = []
    for at, line, shown in lines_of_16(text):
        words = " ".join(line[n:n + 2].hex() for n in range(0, len(line), 2))
        lines.append(f"{at:08x}: {words:<39}  {shown}\n")
    return "".join(lines)


def xxd_e(text):
    lines = []
    for at, line, shown in lines_of_16(text):
        words = " ".join(line[n:n + 4][::-1].hex() for n in range(0, len(line), 4))
        lines.append(f"{at:08x}: {words:<35}  {shown}\n")
    return "".join(lines)


def hexdump_c(text):
    lines = []
    for at, line, shown in lines_of_16(text):
        halves = line[:8].hex(" "), line[8:].hex(" ")
        lines.append(f"{at:08x}  {halves[0]:<23}  {halves[1]:<23}  |{shown}|\n")
    return "".join(lines)


def uuencode(text):
    data = text.encode()
    lines = [binascii.b2a_uu(data[at:at + 45]).decode() for at in range(0, len(data), 45)]
    return "".join(lines).rstrip("\n")


def soft_breaks(text):
    quoted = "".join(f"={byte:02X}" for byte in text.encode())
    return "=\n".join(quoted[at:at + 72] for at in range(0, len(quoted), 72))


def rot13(text):
    return codecs.encode(text, "rot13")


def joined(form, separator):
    return lambda text: separator.join(form(byte) for byte in text.encode())


def with_each(separator):
    return lambda text: separator.join(text)


def nested(*steps):
    def encode(text):
        for step in steps:
            text = step(text)
        return text
    return encode


def hexadecimal(text):
    return text.encode().hex()


def reverse(text):
    return text[::-1]


ENCODINGS = {
    "base64": b64,
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "base64 in lines": mime,
    "base64 twice": nested(b64, b64),
    "base64 of base64 in lines": nested(mime, b64),
    "base64 in lines of base64 in lines": nested(mime, mime),
    "base64 of hexadecimal digits": nested(hexadecimal, b64),
    "base64 of capital hexadecimal digits": nested(hexadecimal, str.upper, b64),
    "hexadecimal digits of base64": nested(b64, hexadecimal),
    "hexadecimal digits twice": nested(hexadecimal, hexadecimal),
    "base64 reversed": nested(b64, reverse),
    "base64 of the reversed": nested(reverse, b64),
    "base64 in ROT13": nested(b64, rot13),
    "base64 of ROT13": nested(rot13, b64),
    "base64 of UTF-16": lambda text: base64.b64encode(text.encode("utf-16-le")).decode(),
    "base64 of base32": nested(lambda text: base64.b32encode(text.encode()).decode(), b64),
    "base32": lambda text: base64.b32encode(text.encode()).decode(),
    "base32, lower case": lambda text: base64.b32encode(text.encode()).decode().lower(),
    "base32hex": lambda text: base64.b32hexencode(text.encode()).decode(),
    "Ascii85": lambda text: base64.a85encode(text.encode()).decode(),
    "Ascii85 of Adobe": lambda text: base64.a85encode(text.encode(), adobe=True, wrapcol=40).decode(),
    "base85": lambda text: base64.b85encode(text.encode()).decode(),
    "Z85": z85,
    "uuencode": uuencode,
    "hexadecimal digits": hexadecimal,
    "hexadecimal digits reversed": nested(hexadecimal, reverse),
    "reversed": reverse,
    "ROT13": rot13,
    "ROT13 reversed": nested(rot13, reverse),
    "upper case": str.upper,
    "lower case": str.lower,
    "UTF-16, little-endian": lambda text: text.encode("utf-16-le").decode(),
    "UTF-16, big-endian": lambda text: text.encode("utf-16-be").decode(),
    "UTF-16 in JSON": lambda text: json.dumps(text.encode("utf-16-le").decode()),
    "UTF-16 with replacements": with_each("\ufffd"),
    "decimal": joined(str, " "),
    "decimal list": lambda text: str(list(text.encode())),
    "decimal lines": joined(str, "\n"),
    "decimal calls": lambda text: "+".join(f"chr({byte})" for byte in text.encode()),
    "octal": joined(lambda byte: f"{byte:o}", " "),
    "octal with zeros": joined(lambda byte: f"{byte:04o}", " "),
    "octal of Python": joined(oct, ", "),
    "binary": joined(lambda byte: f"{byte:08b}", " "),
    "binary in a row": joined(lambda byte: f"{byte:08b}", ""),
    "binary of Python": joined(lambda byte: f"0b{byte:08b}", ", "),
    "code points": lambda text: " ".join(f"U+{ord(character):04X}" for character in text),
    "quoted-printable": joined(lambda byte: f"={byte:02X}", ""),
    "quoted-printable in lines": soft_breaks,
    "with spaces": with_each(" "),
    "with hyphens": with_each("-"),
    "in lines": with_each("\n"),
    "in a list": lambda text: str(list(text)),
    "in a list in JSON": lambda text: json.dumps(json.dumps(list(text))),
    "with escaped NUL": with_each("\\u0000"),
    "with tags": with_each("<br>"),
    "xxd": xxd,
    "xxd in JSON": nested(xxd, json.dumps),
    "xxd -e": xxd_e,
    "hexdump -C": hexdump_c,
    "hexdump -C in JSON": nested(hexdump_c, json.dumps),
    "od": od(),
    "od -c": od("-c"),
    "od -x": od("-x"),
    "od -b": od("-b"),
    "od -An -tx1": od("-An", "-tx1"),
    "od -An -tu1": od("-An", "-tu1"),
    "od -t x4": od("-t", "x4"),
    "od -td2": od("-td2"),
}

CONTEXTS = [("", ""), ("k", "\n"), ("k:", "\n"), ("key", "; more"), ("key=", ""), ("the key of it all is ", ", he said")]


def visible(text):
    return len("".join(text.split()))


cases = []
for name, encode in ENCODINGS.items():
    for before, after in CONTEXTS:
        # What may be left: the text around the secret, with the digits that depend on both, and offsets.
        around = sum(visible(encode(text)) for text in (before, after) if text)
        slack = 60 if "twice" in name or "of base" in name else 30
        cases.append({"name": name, "text": encode(before + SECRET + after), "left": around + slack})

path = pathlib.Path(__file__).with_name("encodings.json")
path.write_text(json.dumps({"secret": SECRET, "cases": cases}, indent=1, ensure_ascii=True) + "\n")
