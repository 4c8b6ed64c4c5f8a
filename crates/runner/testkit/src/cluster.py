"""A stand-in for the API of a Kubernetes cluster: pods are folders, and an exec is a process of this machine.

    cluster.py --root DIR [--pod NAME]... [--protocol v4] [--drop-seed N] [--token T --cert F --key F]

It lists and gets pods, and executes commands by websocket, as a cluster does: a client that goes away leaves its process
running with an open input, only v5 can close an input, and the end of a process is a Status on channel 3. A pod NAME is in
the namespace `default`, has the label app=NAME, the container `main` and the folder DIR/NAME as home. Pods with these
names are special: `pending` does not run, `forbidden` allows no exec, `shellless` has no programs but those in its folder
`bin`. The namespace `forbidden` allows nothing, and the account with the token `token-of-a-stranger` may do nothing.

It prints `listening on PORT`. Then it obeys lines of its input and answers `done`: `drop` breaks all connections, `refuse`
breaks new ones at once too, `stall` breaks all and answers no request until `accept`, which ends both. `kill NAME`,
`cut N` breaks the next exec whose input has N bytes. `delete NAME` and `replace NAME` end all processes of a pod, and `end` those of all pods. With --drop-seed each connection
of an exec breaks at random. DIR/requests.log has a line for each request.
"""

import argparse
import base64
import hashlib
import json
import os
import random
import select
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

STDIN, STDOUT, STDERR, STATUS, CLOSE = 0, 1, 2, 3, 255
ACCEPT_KEY = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def failure(code, reason, message):
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
            "reason": reason, "details": {}, "code": code}


class Pod:
    def __init__(self, cluster, name):
        self.name, self.uid = name, str(uuid.uuid4())
        self.folder = os.path.join(cluster.root, name)
        self.created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        os.makedirs(self.folder, exist_ok=True)

    def object(self):
        waits = self.name == "pending"
        state = {"waiting": {"reason": "ContainerCreating"}} if waits else {"running": {"startedAt": self.created}}
        return {"kind": "Pod", "apiVersion": "v1",
                "metadata": {"name": self.name, "namespace": "default", "uid": self.uid, "labels": {"app": self.name},
                             "creationTimestamp": self.created, "resourceVersion": "1"},
                "spec": {"containers": [{"name": "main", "image": "local"}, {"name": "other", "image": "local"}]},
                "status": {"phase": "Pending" if waits else "Running", "containerStatuses": [
                    {"name": "main", "ready": not waits, "restartCount": 0, "image": "", "imageID": "", "state": state}]}}

    def environment(self):
        system = "" if self.name == "shellless" else ":/usr/local/bin:/usr/bin:/bin"
        return {"PATH": os.path.join(self.folder, "bin") + system, "HOME": self.folder, "HOSTNAME": self.name}

    def kill(self):
        """Ends all processes that the pod has: their environment or their arguments name its folder."""
        while found := [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if self.has(pid)]:
            for pid in found:
                end(pid)

    def has(self, pid):
        if pid == os.getpid():
            return False
        try:
            with open(f"/proc/{pid}/stat") as stat:
                if stat.read().rpartition(")")[2].split()[0] == "Z":
                    return False
            for name in ("environ", "cmdline"):
                with open(f"/proc/{pid}/{name}", "rb") as file:
                    if self.folder.encode() + b"/" in file.read().replace(b"\0", b"/"):
                        return True
        except OSError:
            pass
        return False


def end(pid):
    """Kills a process and waits for its end."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(process, signal.SIGKILL)
        # Its end makes it readable.
        select.select([process], [], [])
    except ProcessLookupError:
        pass
    finally:
        os.close(process)


class Cluster:
    def __init__(self, options):
        self.root, self.options = options.root, options
        self.pods = {name: Pod(self, name) for name in options.pod}
        self.lock, self.connections, self.refuses, self.cut = threading.Lock(), set(), False, None
        self.answers = threading.Event()
        self.answers.set()
        self.random = random.Random(options.drop_seed)
        self.log = open(os.path.join(self.root, "requests.log"), "a", buffering=1)

    def obey(self, line):
        verb, _, name = line.strip().partition(" ")
        if verb in ("refuse", "accept"):
            self.refuses = verb == "refuse"
        if verb == "cut":
            self.cut = int(name)
        if verb == "stall":
            self.answers.clear()
        if verb == "accept":
            self.answers.set()
        if verb in ("drop", "refuse", "stall"):
            with self.lock:
                for connection in self.connections:
                    sever(connection)
        if verb == "kill":
            self.pods[name].kill()
        if verb in ("delete", "replace"):
            with self.lock:
                pod = self.pods.pop(name)
            pod.kill()
            if verb == "replace":
                shutil.rmtree(pod.folder)
                self.pods[name] = Pod(self, name)


def sever(connection):
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


class WebSocket:
    """The server's side of a connection (RFC 6455) with binary messages."""

    def __init__(self, source, sink):
        self.source, self.sink, self.lock = source, sink, threading.Lock()

    def send(self, data, opcode=2):
        length = len(data)
        if length < 126:
            head = struct.pack(">BB", 0x80 | opcode, length)
        elif length < 65536:
            head = struct.pack(">BBH", 0x80 | opcode, 126, length)
        else:
            head = struct.pack(">BBQ", 0x80 | opcode, 127, length)
        with self.lock:
            self.sink.write(head + data)
            self.sink.flush()

    def read(self):
        """Returns the next message; None once the client is gone."""
        message = b""
        while True:
            head = self.source.read(2)
            if len(head) < 2:
                return None
            opcode, length = head[0] & 15, head[1] & 127
            if length > 125:
                size = 2 if length == 126 else 8
                length = int.from_bytes(self.source.read(size), "big")
            mask = self.source.read(4)
            data = self.source.read(length)
            if len(data) < length:
                return None
            key = (mask * (length // 4 + 1))[:length]
            data = (int.from_bytes(data, "big") ^ int.from_bytes(key, "big")).to_bytes(length, "big")
            if opcode == 8:
                return None
            if opcode == 9:
                self.send(data, 10)
            elif opcode in (0, 1, 2):
                message += data
                if head[0] & 0x80:
                    return message


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    cluster = None

    def log_message(self, *_):
        pass

    def setup(self):
        super().setup()
        with self.cluster.lock:
            self.cluster.connections.add(self.connection)
        if self.cluster.refuses:
            sever(self.connection)

    def finish(self):
        with self.cluster.lock:
            self.cluster.connections.discard(self.connection)
        try:
            super().finish()
        except OSError:
            pass

    def reply(self, code, body):
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        cluster, url = self.cluster, urlsplit(self.path)
        cluster.log.write(json.dumps({"method": self.command, "path": self.path}) + "\n")
        cluster.answers.wait()
        token = cluster.options.token
        if self.headers.get("authorization") == "Bearer token-of-a-stranger":
            return self.reply(403, failure(403, "Forbidden", "pods is forbidden: the stranger cannot get pods"))
        if token and self.headers.get("authorization") != f"Bearer {token}":
            return self.reply(401, failure(401, "Unauthorized", "Unauthorized"))
        parts, query = url.path.strip("/").split("/"), parse_qs(url.query)
        if parts[:3] != ["api", "v1", "namespaces"] or parts[4:5] != ["pods"]:
            return self.reply(404, failure(404, "NotFound", "the server could not find the requested resource"))
        if parts[3] == "forbidden":
            return self.reply(403, failure(403, "Forbidden", "pods is forbidden: the account cannot list pods"))
        pods = cluster.pods if parts[3] == "default" else {}
        if len(parts) == 5:
            selector = query.get("labelSelector", [""])[0]
            items = [pod.object() for pod in list(pods.values()) if f"app={pod.name}" == selector]
            return self.reply(200, {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items})
        pod = pods.get(parts[5])
        if not pod:
            return self.reply(404, failure(404, "NotFound", f'pods "{parts[5]}" not found'))
        if len(parts) == 6:
            return self.reply(200, pod.object())
        if pod.name == "forbidden":
            return self.reply(403, failure(403, "Forbidden", "pods/exec is forbidden: the account cannot create it"))
        return self.exec(pod, query)

    def exec(self, pod, query):
        cluster = self.cluster
        container, command = query["container"][0], query["command"]
        if container not in ("main", "other"):
            return self.reply(400, failure(400, "BadRequest", f"container {container} is not valid for pod {pod.name}"))
        if pod.name == "pending":
            return self.reply(500, failure(500, "InternalError", f'container not found ("{container}")'))
        offered = [name.strip() for name in self.headers.get("sec-websocket-protocol", "").split(",")]
        protocol = f"{cluster.options.protocol}.channel.k8s.io"
        if self.headers.get("upgrade", "").lower() != "websocket" or protocol not in offered:
            return self.reply(400, failure(400, "BadRequest", f"you must use a websocket with {protocol}"))
        accepted = hashlib.sha1((self.headers["sec-websocket-key"] + ACCEPT_KEY).encode()).digest()
        self.send_response(101)
        for name, value in (("upgrade", "websocket"), ("connection", "Upgrade"), ("sec-websocket-protocol", protocol),
                            ("sec-websocket-accept", base64.b64encode(accepted).decode())):
            self.send_header(name, value)
        self.end_headers()
        self.close_connection = True
        if cluster.options.drop_seed is not None:
            with cluster.lock:
                delay = cluster.random.uniform(0.02, 0.5)
            limit = threading.Timer(delay, sever, [self.connection])
            limit.daemon = True
            limit.start()
        websocket = WebSocket(self.rfile, self.wfile)
        try:
            self.execute(pod, command, websocket)
        except OSError:
            pass

    def execute(self, pod, command, websocket):
        environment = pod.environment()
        program = shutil.which(command[0], path=environment["PATH"])
        try:
            if not program:
                raise FileNotFoundError(command[0])
            process = subprocess.Popen([program, *command[1:]], cwd=pod.folder, env=environment, start_new_session=True,
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        except OSError:
            message = f'exec: "{command[0]}": executable file not found in $PATH: unknown'
            websocket.send(bytes([STATUS]) + json.dumps(failure(500, "InternalError", message)).encode())
            return websocket.send(struct.pack(">H", 1000), 8)

        def pump(stream, channel):
            for data in iter(lambda: stream.read1(32768), b""):
                try:
                    websocket.send(bytes([channel]) + data)
                except OSError:
                    pass  # the client is gone, and the process goes on

        pumps = [threading.Thread(target=pump, args=each, daemon=True)
                 for each in ((process.stdout, STDOUT), (process.stderr, STDERR))]
        for thread in pumps:
            thread.start()
        threading.Thread(target=self.feed, args=(websocket, process), daemon=True).start()
        code = process.wait()
        for thread in pumps:
            thread.join(1)
        status = {"metadata": {}, "status": "Success"}
        if code:
            status = {"metadata": {}, "status": "Failure", "reason": "NonZeroExitCode",
                      "message": f"command terminated with exit code {code}",
                      "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]}}
        websocket.send(bytes([STATUS]) + json.dumps(status).encode())
        websocket.send(struct.pack(">H", 1000), 8)

    def is_cut(self, received):
        with self.cluster.lock:
            is_cut = self.cluster.cut is not None and received >= self.cluster.cut
            if is_cut:
                self.cluster.cut = None
        return is_cut

    def feed(self, websocket, process):
        received = 0
        try:
            while (message := websocket.read()) is not None:
                channel, data = message[0], message[1:]
                received += len(data)
                if self.is_cut(received):
                    return sever(self.connection)
                if channel == STDIN and data:
                    process.stdin.write(data)
                    process.stdin.flush()
                elif channel == CLOSE:
                    process.stdin.close()
        except (OSError, ValueError):
            pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """A connection broke, as tests want it."""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", required=True)
    parser.add_argument("--pod", action="append", default=[])
    parser.add_argument("--protocol", default="v5")
    parser.add_argument("--drop-seed", type=int)
    for name in ("token", "cert", "key"):
        parser.add_argument(f"--{name}")
    options = parser.parse_args()
    Handler.cluster = cluster = Cluster(options)
    server = Server(("127.0.0.1", 0), Handler)
    if options.cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.cert, options.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"listening on {server.server_address[1]}", flush=True)
    for line in sys.stdin:
        if line == "end\n":
            break
        cluster.obey(line)
        print("done", flush=True)
    for pod in cluster.pods.values():
        pod.kill()


if __name__ == "__main__":
    main()
