// Receives webhooks with Express.
//
//     npm install express standardwebhooks
//     WEBHOOK_SECRET=whsec_… node receiver.mjs
//
// WEBHOOK_SECRET is the secret that the API answered when the webhook was created, PORT the port to listen on
// (8000 by default). The webhook's URL is then http://127.0.0.1:8000/webhook.

import express from "express";
import { Webhook } from "standardwebhooks";

const webhook = new Webhook(process.env.WEBHOOK_SECRET);

// The ids of the events that were handled. A real receiver keeps them in its database, and adds one in the
// transaction that does the event's work.
const handled = new Set();

const app = express();

// The signature is over the bytes of the body, so nothing may parse them before: express.raw, not express.json.
app.post("/webhook", express.raw({ type: () => true, limit: "1mb" }), (request, response) => {
  let event;
  try {
    event = webhook.verify(request.body ?? "", request.headers);
  } catch (error) {
    return response.status(401).send(error.message);
  }
  const id = request.get("webhook-id");
  if (!handled.has(id)) {
    handle(event);
    handled.add(id);
  }
  response.status(204).end();
});

function handle(event) {
  console.log("received", event.event, JSON.stringify(event.data));
}

const server = app.listen(Number(process.env.PORT ?? 8000), "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}/webhook`);
});
