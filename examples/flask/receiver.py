"""Receives webhooks with Flask.

    pip install flask standardwebhooks
    WEBHOOK_SECRET=whsec_… python receiver.py

WEBHOOK_SECRET is the secret that the API answered when the webhook was created, PORT the port to listen on
(8000 by default). The webhook's URL is then http://127.0.0.1:8000/webhook.
"""

import os

from flask import Flask, request
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from werkzeug.serving import make_server

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 1024 * 1024
webhook = Webhook(os.environ["WEBHOOK_SECRET"])

# The ids of the events that were handled. A real receiver keeps them in its database, and adds one in the
# transaction that does the event's work.
handled: set[str] = set()


@app.post("/webhook")
def receive():
    body = request.get_data()  # the bytes that were signed, before anything parses them
    try:
        event = webhook.verify(body, dict(request.headers))
    except (WebhookVerificationError, ValueError) as error:
        return str(error), 401
    event_id = request.headers["webhook-id"]
    if event_id not in handled:
        handle(event)
        handled.add(event_id)
    return "", 204


def handle(event: dict) -> None:
    print("received", event["event"], event["data"], flush=True)


if __name__ == "__main__":
    server = make_server("127.0.0.1", int(os.environ.get("PORT", "8000")), app, threaded=True)
    print(f"listening on http://127.0.0.1:{server.server_port}/webhook", flush=True)
    server.serve_forever()
