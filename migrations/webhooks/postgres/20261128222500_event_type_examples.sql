-- Examples of the data of a type's events: the text of a JSON array.
ALTER TABLE rdev_webhooks.event_types ADD COLUMN examples text NOT NULL DEFAULT '[]';
