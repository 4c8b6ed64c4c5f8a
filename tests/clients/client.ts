// Uses the client that @hey-api/openapi-ts generates, including its errors. The compiler checks their types.
//
// Arguments: the server's address, an administrator key, and the URL of a receiver that responds with 200.

import { createClient } from './generated/client';
import * as api from './generated/sdk.gen';
import type { Fault, Problem } from './generated/types.gen';

declare const process: { argv: string[]; exit(code: number): never };
declare const console: { error(...what: unknown[]): void };

const [base, key, receiver] = process.argv.slice(2) as [string, string, string];
const withKey = (auth: string) => createClient({ baseUrl: base, auth: () => auth });
const client = withKey(key);
const anybody = createClient({ baseUrl: base });

type Result<Data> = { data?: Data; error?: Problem | unknown; response?: Response };

function check(holds: boolean, what: string, shown?: unknown): asserts holds {
  if (!holds) throw new Error(`${what}: ${JSON.stringify(shown)}`);
}

function good<Data>(result: Result<Data>, status = 200): NonNullable<Data> {
  check(result.response?.status === status, `${result.response?.status}, not ${status}`, result.error);
  return result.data as NonNullable<Data>;
}

/** An error is read, and says what is wrong and where. */
function problem(
  result: { error?: Problem; response?: Response },
  status: number,
  code: string,
  place: Partial<Fault> = {},
): void {
  const found = result.error;
  check(found !== undefined && result.response?.status === status, `${result.response?.status}, not ${status}`, found);
  check(found.status === status && found.code === code, `not ${code}`, found);
  check(found.request_id === result.response?.headers.get('x-request-id'), 'another request', found);
  for (const [name, expected] of Object.entries(place)) {
    const [fault, ...others] = found.errors;
    check(fault !== undefined && others.length === 0, 'one fault', found);
    const { detail, ...places } = fault;
    check(detail !== '' && JSON.stringify(places) === JSON.stringify({ [name]: expected }), 'another place', fault);
  }
}

async function main(): Promise<void> {
  // Requests that succeed.
  check(good(await api.checkLiveness({ client: anybody })).status === 'ok', 'alive');
  check(good(await api.getMetrics({ client: anybody })).includes('rdev'), 'metrics');
  const webhook = good(
    await api.createWebhook({
      client,
      body: { url: receiver, events: ['command.*'], retry: { max_attempts: 2, initial_backoff_ms: 100 } },
    }),
    201,
  );
  const path = { id: webhook.id };
  check(good(await api.getWebhook({ client, path })).url === receiver, 'the webhook');
  const patched = good(await api.updateWebhook({ client, path, body: { description: 'd', rate_limit: null } }));
  check(patched.description === 'd', 'the description', patched);
  const since = new Date(Date.now() - 3_600_000).toISOString();
  const data = { command_id: 'cmd-1', project: 'my-project' };
  const published = good(await api.publishEvent({ client, body: { event: 'command.completed', data } }), 202);
  check(published.deliveries === 1, 'a delivery', published);
  const events = [{ event: 'command.failed', data }];
  good(await api.publishEvents({ client, body: { events } }), 202);
  const deadline = Date.now() + 30_000;
  let finished;
  do {
    check(Date.now() < deadline, 'the deliveries do not arrive', finished);
    finished = good(await api.listDeliveries({ client, query: { status: 'succeeded', since } })).data;
  } while (finished.length < 2);
  const delivery = { id: finished[0]!.id };
  check(good(await api.listAttempts({ client, path: delivery })).data[0]?.status === 200, 'the attempt');
  check(good(await api.listEvents({ client, query: { since, limit: 5 } })).data.length === 2, 'the events');
  good(await api.getWebhookStatistics({ client, path, query: { window: '1h' } }));
  check(good(await api.rotateSecret({ client, path, body: {} })).secret !== webhook.secret, 'the secret');
  const scopes = ['webhooks:read' as const];
  const reader = withKey(good(await api.createApiKey({ client, body: { scopes } }), 201).key);

  // Requests that fail.
  const ftp = { url: 'ftp://example.com', events: ['command.*'] };
  problem(await api.createWebhook({ client, body: ftp }), 422, 'validation_failed', { pointer: '/url' });
  const query = { cursor: 'none' };
  problem(await api.listDeliveries({ client, query }), 422, 'validation_failed', { parameter: 'cursor' });
  const headers = { 'Idempotency-Key': 'k' };
  good(await api.publishEvent({ client, headers, body: { event: 'command.completed', data } }), 202);
  const reused = await api.publishEvent({ client, headers, body: { event: 'command.failed', data } });
  problem(reused, 422, 'idempotency_key_reused', { header: 'Idempotency-Key' });
  problem(await api.listWebhooks({ client: withKey('rdev_none') }), 401, 'unauthenticated');
  problem(await api.listWebhooks({ client: anybody }), 401, 'unauthenticated');
  problem(await api.createWebhook({ client: reader, body: ftp }), 403, 'forbidden');
  problem(await api.getWebhook({ client, path: { id: 'whk_none' } }), 404, 'not_found');
  problem(await api.cancelDelivery({ client, path: delivery }), 409, 'delivery_finished');
  problem(await api.deleteEventType({ client, path: { name: 'command.failed' } }), 409, 'event_type_built_in');
  const outdated = await api.updateWebhook({ client, path, headers: { 'If-Match': '"0"' }, body: { description: 'e' } });
  problem(outdated, 412, 'version_mismatch', { header: 'If-Match' });
  const large = { event: 'command.failed', data: { text: 'x'.repeat(300_000) } };
  problem(await api.publishEvent({ client, body: large }), 413, 'body_too_large');

  good(await api.deleteWebhook({ client, path }), 204);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
