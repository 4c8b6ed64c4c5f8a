WITH scanned AS MATERIALIZED (
    SELECT e.position, e.id, e.event_type, e.project, octet_length(e.body) AS size
    FROM rdev_webhooks.events e
    WHERE (e.position, e.id) > ($1, $2) AND e.position <= $3
    ORDER BY e.position, e.id LIMIT $4
),
matching AS MATERIALIZED (
    SELECT s.position, s.id, row_number() OVER w AS nth, sum(s.size) OVER w AS bytes
    FROM scanned s
    WHERE ($5::text IS NULL OR s.event_type = $5) AND ($6::text[] IS NULL OR s.project = ANY($6))
    WINDOW w AS (ORDER BY s.position, s.id)
),
totals AS (
    SELECT l.position AS last_position, l.id AS last_id, (SELECT count(*) FROM scanned) AS scanned,
        (SELECT count(*) FROM matching) AS matching
    FROM (SELECT s.position, s.id FROM scanned s ORDER BY s.position DESC, s.id DESC LIMIT 1) l
),
page AS MATERIALIZED (
    SELECT m.position, m.id FROM matching m WHERE m.nth <= $7 AND (m.nth = 1 OR m.bytes <= $8)
)
SELECT t.last_position AS "last_position!", t.last_id AS "last_id!", t.scanned AS "scanned!",
    t.matching AS "matching!", p.position AS "position?", p.id AS "id?", e.timestamp AS "timestamp?",
    e.event_type AS "event_type?", e.project AS "project?", e.key AS "key?", e.body AS "body?"
FROM totals t
LEFT JOIN page p ON true
LEFT JOIN LATERAL (SELECT * FROM rdev_webhooks.events e WHERE e.id = p.id LIMIT 1) e ON true
ORDER BY p.position, p.id
