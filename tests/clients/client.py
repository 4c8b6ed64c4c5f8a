"""Uses the client that openapi-python-client generates, including its errors.

Arguments: the server's address, an administrator key, and the URL of a receiver that responds with 200.
"""

import datetime
import sys
import time

from generated import AuthenticatedClient, Client, models
from generated.api.api_keys import create_api_key
from generated.api.deliveries import cancel_delivery, list_attempts, list_deliveries
from generated.api.event_types import delete_event_type, list_event_types, put_event_type
from generated.api.events import get_event, list_events, publish_event, publish_events
from generated.api.health import check_liveness, check_readiness, get_metrics
from generated.api.replays import begin_replay, list_replays
from generated.api.webhooks import (
    create_webhook,
    delete_webhook,
    get_webhook,
    get_webhook_statistics,
    list_webhooks,
    rotate_secret,
    test_webhook,
    update_webhook,
)
from generated.types import UNSET

base, key, receiver = sys.argv[1:]
client = AuthenticatedClient(base_url=base, token=key, raise_on_unexpected_status=True)
anybody = Client(base_url=base, raise_on_unexpected_status=True)


def good(response, status=200):
    assert response.status_code == status, (response.status_code, response.content)
    assert not isinstance(response.parsed, models.Problem), response.parsed
    return response.parsed


def problem(response, status, code, **place):
    """Checks that an error is parsed, with its description and its place."""
    found = response.parsed
    assert response.status_code == status, (response.status_code, response.content)
    assert isinstance(found, models.Problem), (found, response.content)
    assert (found.status, found.code) == (status, code), found
    assert found.request_id == response.headers["x-request-id"], found
    for name, expected in place.items():
        [fault] = found.errors
        places = {"pointer": fault.pointer, "parameter": fault.parameter, "header": fault.header}
        assert places.pop(name) == expected, fault
        assert all(other is UNSET for other in places.values()), fault
        assert fault.detail, fault


def event(name="command.completed", **more):
    data = models.EventData.from_dict({"command_id": "cmd-1", "project": "my-project"})
    return models.NewEvent(event=name, data=data, **more)


# Requests that succeed.
assert good(check_liveness.sync_detailed(client=anybody)).status == "ok"
assert good(check_readiness.sync_detailed(client=anybody)).status == "ok"
assert "rdev" in good(get_metrics.sync_detailed(client=anybody))
retry = models.NewRetryPolicy(max_attempts=2, initial_backoff_ms=100)
webhook = good(
    create_webhook.sync_detailed(
        client=client, body=models.NewWebhook(url=receiver, events=["command.*"], retry=retry)
    ),
    201,
)
assert webhook.secret.startswith("whsec_")
assert good(get_webhook.sync_detailed(webhook.id, client=client)).url == receiver
assert [shown.id for shown in good(list_webhooks.sync_detailed(client=client)).data] == [webhook.id]
patch = models.WebhookPatch(description="d", rate_limit=None)
assert good(update_webhook.sync_detailed(webhook.id, client=client, body=patch)).description == "d"
two_hours_east = datetime.timezone(datetime.timedelta(hours=2))
an_hour_ago = datetime.datetime.now(two_hours_east) - datetime.timedelta(hours=1)
published = good(publish_event.sync_detailed(client=client, body=event(timestamp=an_hour_ago)), 202)
assert published.deliveries == 1
good(publish_events.sync_detailed(client=client, body=models.NewEvents(events=[event("command.failed")])), 202)
deadline = time.monotonic() + 30
while True:
    finished = good(list_deliveries.sync_detailed(client=client, status=models.DeliveryStatus.SUCCEEDED, since=an_hour_ago)).data
    if len(finished) == 2:
        break
    assert time.monotonic() < deadline, "the deliveries do not arrive"
[attempt] = good(list_attempts.sync_detailed(finished[0].id, client=client)).data
assert attempt.status == 200, attempt
assert good(get_event.sync_detailed(published.id, client=client)).deliveries.succeeded == 1
assert len(good(list_events.sync_detailed(client=client, since=an_hour_ago, limit=5)).data) == 2
assert not good(list_events.sync_detailed(client=client, until=an_hour_ago)).data
good(get_webhook_statistics.sync_detailed(webhook.id, client=client, window="1h"))
good(test_webhook.sync_detailed(webhook.id, client=client, body=models.EmptyBody()), 202)
overlap = models.Rotation(overlap_seconds=60)
assert good(rotate_secret.sync_detailed(webhook.id, client=client, body=overlap)).secret != webhook.secret
good(begin_replay.sync_detailed(webhook.id, client=client, body=models.NewReplay(since=an_hour_ago)), 202)
assert len(good(list_replays.sync_detailed(webhook.id, client=client)).data) == 1
good(list_event_types.sync_detailed(client=client))
limited = models.NewApiKey(scopes=[models.Scope.WEBHOOKSREAD])
reader = AuthenticatedClient(
    base_url=base,
    token=good(create_api_key.sync_detailed(client=client, body=limited), 201).key,
    raise_on_unexpected_status=True,
)

# Requests that fail.
ftp = models.NewWebhook(url="ftp://example.com", events=["command.*"])
problem(create_webhook.sync_detailed(client=client, body=ftp), 422, "validation_failed", pointer="/url")
problem(list_deliveries.sync_detailed(client=client, cursor="none"), 422, "validation_failed", parameter="cursor")
good(publish_event.sync_detailed(client=client, body=event(), idempotency_key="k"), 202)
reused = publish_event.sync_detailed(client=client, body=event("command.failed"), idempotency_key="k")
problem(reused, 422, "idempotency_key_reused", header="Idempotency-Key")
stranger = AuthenticatedClient(base_url=base, token="rdev_none", raise_on_unexpected_status=True)
problem(list_webhooks.sync_detailed(client=stranger), 401, "unauthenticated")
problem(list_webhooks.sync_detailed(client=anybody), 401, "unauthenticated")
problem(create_webhook.sync_detailed(client=reader, body=ftp), 403, "forbidden")
problem(get_webhook.sync_detailed("whk_none", client=client), 404, "not_found")
problem(cancel_delivery.sync_detailed(finished[0].id, client=client, body=models.EmptyBody()), 409, "delivery_finished")
problem(delete_event_type.sync_detailed("command.failed", client=client), 409, "event_type_built_in")
outdated = update_webhook.sync_detailed(webhook.id, client=client, body=patch, if_match='"0"')
problem(outdated, 412, "version_mismatch", header="If-Match")
large = models.NewEvent(event="command.failed", data=models.EventData.from_dict({"text": "x" * 300_000}))
problem(publish_event.sync_detailed(client=client, body=large), 413, "body_too_large")
two_faults = models.NewWebhook(url="ftp://example.com", events=["no such type"])
found = create_webhook.sync_detailed(client=client, body=two_faults).parsed
assert {fault.pointer for fault in found.errors} == {"/url", "/events/0"}, found

assert delete_webhook.sync_detailed(webhook.id, client=client).status_code == 204
