-- The public keys of ed25519 webhooks, with which receivers verify. They are not secret.
ALTER TABLE webhooks ADD COLUMN public_key TEXT;
ALTER TABLE webhooks ADD COLUMN previous_public_key TEXT;
