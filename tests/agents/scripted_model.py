#!/usr/bin/env python3
"""A stand-in for the API of a model, which plays a script. Real coding agents use it in tests.

It speaks, on loopback only, the streaming and plain forms of
  POST /v1/messages            (Anthropic Messages; also /v1/messages/count_tokens)
  POST /v1/chat/completions    (OpenAI chat completions)

The prompt carries the script: every line of the newest user message that
starts with "MOCK " is one step, and the n-th model call of that turn plays
the n-th step. When the steps run out the model answers "All done.".

  MOCK text WORDS...           a text answer
  MOCK think WORDS...          thinking (Anthropic) / reasoning (OpenAI), then text
  MOCK tool NAME {json}        one tool call, e.g.  MOCK tool Bash {"command":"echo hi"}
  MOCK tools [{"name":..,"input":{..}}, ..]    parallel tool calls
  MOCK slow SECONDS [WORDS]    text in ten pieces spread over SECONDS (to cancel it)
  MOCK big BYTES               one text answer of that size
  MOCK error STATUS [TIMES]    HTTP error; after TIMES failures (default: for ever) text
  MOCK sse_error               200, a first event, then an error inside the stream
  MOCK hang                    accepts the request and never sends a byte
  MOCK stall                   sends headers and half an answer, then nothing
  MOCK cut                     half an answer, then the connection is closed
  MOCK html                    200 with an HTML page (a captive proxy)

Chat completions without tools (OpenCode naming a session) get "Mock title", and so
does a conversation without any MOCK line.
Usage: scripted_model.py [--port 0] [--log FILE]. Prints "listening on PORT" first.
Each request, and whether the client went away early, is one JSON line in the log.
"""
import argparse
import hashlib
import json
import select
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

USAGE_IN, USAGE_OUT = 100, 20
HANG_LIMIT = 600  # a hung request is dropped after this many seconds
failures = {}     # request hash -> errors already sent, for "MOCK error STATUS TIMES"
lock = threading.Lock()
log_file = None


def log(**fields):
    with lock:
        log_file.write(json.dumps({"t": round(time.time(), 3), **fields}) + "\n")
        log_file.flush()


class Gone(Exception):
    """The client closed the connection before the answer was complete."""


def user_text(message):
    """The text a person wrote in one message (tool results do not count)."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    return "\n".join(b.get("text", "") for b in content or [] if b.get("type") == "text")


def pick_step(messages):
    """The step to play now: the script's line number = model calls made since it."""
    for i in range(len(messages) - 1, -1, -1):
        if messages[i].get("role") != "user":
            continue
        script = [l[5:].strip() for l in user_text(messages[i]).splitlines() if l.startswith("MOCK ")]
        if script:
            done = sum(m.get("role") == "assistant" for m in messages[i + 1:])
            return script[done] if done < len(script) else "text All done."
    return "text Mock title"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    # --- plumbing -------------------------------------------------------
    def reply(self, status, body, ctype="application/json", headers=()):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", ctype)
        self.send_header("content-length", str(len(data)))
        for k, v in headers:
            self.send_header(k, v)
        self.end_headers()
        self.wfile.write(data)

    def half_json(self, body):
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data) + 100))
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()

    def start_sse(self):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True

    def sse(self, data, event=None):
        text = data if isinstance(data, str) else json.dumps(data)
        try:
            self.wfile.write(((f"event: {event}\n" if event else "") + f"data: {text}\n\n").encode())
            self.wfile.flush()
        except OSError as e:
            raise Gone() from e

    def pause(self, seconds):
        """Sleep, but notice at once when the client hangs up."""
        end = time.time() + seconds
        while (left := end - time.time()) > 0:
            ready, _, _ = select.select([self.connection], [], [], left)
            if ready and not self.connection.recv(1, socket.MSG_PEEK):
                raise Gone()
            if ready:
                time.sleep(min(left, 0.05))

    # --- routing --------------------------------------------------------
    def do_HEAD(self):
        self.reply(200, b"")

    def do_GET(self):
        log(method="GET", path=self.path)
        if self.path.split("?")[0].endswith("/models"):
            self.reply(200, {"object": "list", "data": [{"id": "mock-model", "object": "model"}]})
        else:
            self.reply(404, {"error": {"type": "not_found_error", "message": "no such path"}})

    def do_POST(self):
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        path = self.path.split("?")[0]
        try:
            body = json.loads(raw or b"{}")
        except ValueError:
            return self.reply(400, {"error": {"message": "bad json"}})
        if path.endswith("/messages/count_tokens"):
            return self.reply(200, {"input_tokens": USAGE_IN})
        if path.endswith("/messages"):
            wire = Anthropic(self, body)
        elif path.endswith("/chat/completions"):
            wire = OpenAI(self, body)
        else:
            log(method="POST", path=path, status=404)
            return self.reply(404, {"error": {"type": "not_found_error", "message": "no such path"}})
        messages = body.get("messages", [])
        title = wire.__class__ is OpenAI and not body.get("tools")  # OpenCode names its sessions so
        step = "text Mock title" if title else pick_step(messages)
        log(method="POST", path=path, model=body.get("model"), stream=bool(body.get("stream")),
            tools=[t.get("name") or t["function"]["name"] for t in body.get("tools", [])],
            messages=len(messages), step=step[:200])
        try:
            self.play(step, messages, wire)
        except (Gone, BrokenPipeError, ConnectionResetError):
            log(event="client went away", step=step[:80])
            self.close_connection = True

    def play(self, step, messages, wire):
        name, _, rest = step.partition(" ")
        if name == "text":
            wire.answer(text=[rest])
        elif name == "think":
            wire.answer(thinking="Let me think.", text=[rest or "Thought about it."])
        elif name == "tool":
            tool, _, arg = rest.partition(" ")
            wire.answer(tools=[(tool, json.loads(arg or "{}"))])
        elif name == "tools":
            wire.answer(tools=[(t["name"], t["input"]) for t in json.loads(rest)])
        elif name == "slow":
            seconds, _, words = rest.partition(" ")
            words = words or "one two three four five six seven eight nine ten"
            n = max(1, len(words) // 10)
            wire.answer(text=[words[i:i + n] for i in range(0, len(words), n)],
                        gap=float(seconds) / max(1, len(words) // n))
        elif name == "big":
            wire.answer(text=["x" * int(rest)])
        elif name == "error":
            status, _, times = rest.partition(" ")
            key = hashlib.sha256(json.dumps(messages).encode()).hexdigest()
            with lock:
                seen = failures[key] = failures.get(key, 0) + 1
            if times and seen > int(times):
                wire.answer(text=["Recovered."])
            else:
                self.reply(int(status), wire.error(int(status)), headers=[("retry-after", "1")] if status == "429" else ())
        elif name == "html":
            self.reply(200, b"<html><body>Please log in</body></html>", "text/html")
        elif name == "hang":
            self.pause(HANG_LIMIT)
        elif name in ("stall", "cut", "sse_error"):
            wire.half("This answer stops in the mid")
            if name == "stall":
                self.pause(HANG_LIMIT)
            if name == "sse_error":
                wire.stream_error()
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        else:
            wire.answer(text=[f"unknown step {name!r}"])


class Anthropic:
    """Writes answers in the Messages API's form."""

    def __init__(self, http, body):
        self.http, self.stream = http, body.get("stream")
        self.head = {"id": f"msg_mock_{time.time_ns()}", "type": "message", "role": "assistant",
                     "model": body.get("model", "mock-model"), "content": [], "stop_reason": None,
                     "stop_sequence": None, "usage": {"input_tokens": USAGE_IN, "output_tokens": 1,
                     "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}}

    @staticmethod
    def error(status):
        kinds = {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error",
                 404: "not_found_error", 429: "rate_limit_error", 529: "overloaded_error"}
        return {"type": "error", "error": {"type": kinds.get(status, "api_error"), "message": f"mock error {status}"}}

    def emit(self, kind, **fields):
        self.http.sse({"type": kind, **fields}, event=kind)

    def block(self, i, start, deltas, gap=0):
        self.emit("content_block_start", index=i, content_block=start)
        for d in deltas:
            self.emit("content_block_delta", index=i, delta=d)
            if gap:
                self.http.pause(gap)
        self.emit("content_block_stop", index=i)

    def answer(self, text=(), thinking=None, tools=(), gap=0):
        stop = "tool_use" if tools else "end_turn"
        ids = [f"toolu_mock_{time.time_ns()}_{i}" for i in range(len(tools))]
        if not self.stream:
            self.http.pause(gap * len(text))
            content = [{"type": "text", "text": "".join(text)}] if text else []
            content += [{"type": "tool_use", "id": k, "name": n, "input": v} for k, (n, v) in zip(ids, tools)]
            self.head["usage"]["output_tokens"] = USAGE_OUT
            return self.http.reply(200, {**self.head, "content": content, "stop_reason": stop})
        self.http.start_sse()
        self.emit("message_start", message=self.head)
        i = 0
        if thinking:
            self.block(i, {"type": "thinking", "thinking": "", "signature": ""},
                       [{"type": "thinking_delta", "thinking": thinking},
                        {"type": "signature_delta", "signature": "bW9jaw=="}])
            i += 1
        if text:
            self.block(i, {"type": "text", "text": ""}, [{"type": "text_delta", "text": t} for t in text], gap)
            i += 1
        for k, (name, value) in zip(ids, tools):
            self.block(i, {"type": "tool_use", "id": k, "name": name, "input": {}},
                       [{"type": "input_json_delta", "partial_json": json.dumps(value)}])
            i += 1
        self.emit("message_delta", delta={"stop_reason": stop, "stop_sequence": None},
                  usage={"output_tokens": USAGE_OUT})
        self.emit("message_stop")

    def half(self, text):
        if not self.stream:
            return self.http.half_json(self.head)
        self.http.start_sse()
        self.emit("message_start", message=self.head)
        self.emit("content_block_start", index=0, content_block={"type": "text", "text": ""})
        self.emit("content_block_delta", index=0, delta={"type": "text_delta", "text": text})

    def stream_error(self):
        if self.stream:
            self.http.sse(self.error(529), event="error")


class OpenAI:
    """Writes answers in the chat completions API's form."""

    def __init__(self, http, body):
        self.http, self.stream = http, body.get("stream")
        self.head = {"id": f"chatcmpl-mock-{time.time_ns()}", "created": int(time.time()),
                     "model": body.get("model", "mock-model")}
        self.usage = {"prompt_tokens": USAGE_IN, "completion_tokens": USAGE_OUT, "total_tokens": USAGE_IN + USAGE_OUT}

    @staticmethod
    def error(status):
        return {"error": {"message": f"mock error {status}", "type": "mock_error", "code": str(status)}}

    def emit(self, delta, finish=None, **extra):
        self.http.sse({**self.head, "object": "chat.completion.chunk",
                       "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **extra})

    def answer(self, text=(), thinking=None, tools=(), gap=0):
        finish = "tool_calls" if tools else "stop"
        calls = [{"index": i, "id": f"call_mock_{time.time_ns()}_{i}", "type": "function",
                  "function": {"name": n, "arguments": json.dumps(v)}} for i, (n, v) in enumerate(tools)]
        if not self.stream:
            self.http.pause(gap * len(text))
            message = {"role": "assistant", "content": "".join(text) or None, **({"tool_calls": calls} if calls else {})}
            return self.http.reply(200, {**self.head, "object": "chat.completion", "usage": self.usage,
                                         "choices": [{"index": 0, "message": message, "finish_reason": finish}]})
        self.http.start_sse()
        self.emit({"role": "assistant", "content": ""})
        if thinking:
            self.emit({"reasoning_content": thinking})
        for t in text:
            self.emit({"content": t})
            if gap:
                self.http.pause(gap)
        for c in calls:
            self.emit({"tool_calls": [c]})
        self.emit({}, finish, usage=self.usage)
        self.http.sse("[DONE]")

    def half(self, text):
        if not self.stream:
            return self.http.half_json(self.head)
        self.http.start_sse()
        self.emit({"role": "assistant", "content": text})

    def stream_error(self):
        if self.stream:
            self.http.sse(self.error(529))


def main():
    global log_file
    p = argparse.ArgumentParser()
    p.add_argument("--port", type=int, default=0)
    p.add_argument("--log", default="/dev/stderr")
    a = p.parse_args()
    log_file = open(a.log, "a")
    server = ThreadingHTTPServer(("127.0.0.1", a.port), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # a client that resets an idle connection is no failure
    print(f"listening on {server.server_address[1]}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        sys.exit(0)


if __name__ == "__main__":
    main()
