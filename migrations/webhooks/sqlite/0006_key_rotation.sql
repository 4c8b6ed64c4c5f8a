-- What receivers verify with, for ed25519; no secret, so that showing it opens none.
ALTER TABLE webhooks ADD COLUMN public_key TEXT;
ALTER TABLE webhooks ADD COLUMN previous_public_key TEXT;
