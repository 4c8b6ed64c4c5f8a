-- Examples of the data of a type's events: the text of a JSON array.
ALTER TABLE webhooks_event_types ADD COLUMN examples TEXT NOT NULL DEFAULT '[]';
