"""Publishes an event in the transaction that stores an order, with psycopg.

    DATABASE_URL=postgres://… python publish.py shop-1

The role of DATABASE_URL needs no right on the tables of rdev; its owner grants:

    GRANT USAGE ON SCHEMA rdev_webhooks TO shop;
    GRANT EXECUTE ON FUNCTION rdev_webhooks.publish TO shop;

It needs `pip install "psycopg[binary]"`, and the event type: `PUT /event-types/order.created`.
"""

import json
import os
import sys

import psycopg


def create_order(conn: psycopg.Connection, shop: str) -> tuple[int, str, int]:
    """Stores an order and its event: both are committed, or neither is."""
    with conn.transaction():
        (number,) = conn.execute("INSERT INTO orders (shop) VALUES (%s) RETURNING number", (shop,)).fetchone()
        data = json.dumps({"number": number, "shop": shop})
        event_id, deliveries = conn.execute(
            "SELECT * FROM rdev_webhooks.publish(event_type => 'order.created', data => %s, project => %s)",
            (data, shop),
        ).fetchone()
    return number, event_id, deliveries


with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as conn:
    conn.execute("CREATE TABLE IF NOT EXISTS orders (number bigserial PRIMARY KEY, shop text NOT NULL)")
    number, event_id, deliveries = create_order(conn, sys.argv[1])
    print(f"order {number}: {event_id} with {deliveries} deliveries")
