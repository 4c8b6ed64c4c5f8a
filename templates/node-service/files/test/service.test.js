import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, test } from 'node:test';

import { createService } from '../src/service.js';

const service = createService();
let url;

before(async () => {
  service.listen(0, '127.0.0.1');
  await once(service, 'listening');
  url = `http://127.0.0.1:${service.address().port}`;
});

after(() => service.close());

test('health is ok', async () => {
  const response = await fetch(`${url}/health?verbose`);
  assert.equal(response.status, 200);
  assert.deepEqual(await response.json(), { status: 'ok' });
});

test('the root names the service', async () => {
  const response = await fetch(url);
  assert.deepEqual(Object.keys(await response.json()), ['service']);
});

test('other requests get an error', async () => {
  assert.equal((await fetch(`${url}/nothing`)).status, 404);
  assert.equal((await fetch(`${url}/health`, { method: 'DELETE' })).status, 405);
});
