-- The events of a type among those of a project, however few or many of either there are.
CREATE INDEX webhooks_events_by_project_event_type_id ON webhooks_events (project, event_type, id)
    WHERE project IS NOT NULL;
