-- What the owner of a webhook keeps with it: a JSON object of strings.
ALTER TABLE webhooks_webhooks ADD COLUMN metadata text NOT NULL DEFAULT '{}';
