-- The index of a project's types serves for all events of a project too.
DROP INDEX webhooks_events_by_project_id;
