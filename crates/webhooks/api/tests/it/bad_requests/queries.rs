//! Query parameters.

use super::{Bad, invalid};

pub(super) fn rows() -> Vec<Bad> {
    let mut table = vec![];
    for (path, places) in [
        ("/events/feed?after=1", vec!["?after"]),
        ("/events/feed?after=", vec!["?after"]),
        ("/events/feed?after=Now", vec!["?after"]),
        ("/events/feed?after=MTpldmVudHNAMDE", vec!["?after"]),
        ("/events/feed?after=now&after=now", vec!["?after"]),
        ("/events/feed?cursor=1", vec!["?cursor"]),
        (
            "/events/feed?limit=0&event=-&project=&after=x&since=1",
            vec!["?after", "?event", "?limit", "?project", "?since"],
        ),
        ("/webhooks?limit=0", vec!["?limit"]),
        ("/webhooks?limit=101", vec!["?limit"]),
        ("/webhooks?limit=-1", vec!["?limit"]),
        ("/webhooks?limit=", vec!["?limit"]),
        ("/webhooks?limit=1.5", vec!["?limit"]),
        ("/webhooks?limit=%2B5", vec!["?limit"]),
        ("/webhooks?limit=99999999999999999999", vec!["?limit"]),
        ("/webhooks?limit=1&limit=1", vec!["?limit"]),
        ("/webhooks?enabled=yes", vec!["?enabled"]),
        ("/webhooks?event=a%20b", vec!["?event"]),
        ("/webhooks?event=command.*", vec!["?event"]),
        ("/webhooks?project=", vec!["?project"]),
        ("/webhooks?project=%FF", vec!["?project"]),
        ("/webhooks?project=a%00", vec!["?project"]),
        ("/webhooks?cursor=x", vec!["?cursor"]),
        ("/webhooks?cursor=", vec!["?cursor"]),
        ("/webhooks?Limit=1", vec!["?Limit"]),
        ("/webhooks?status=failed", vec!["?status"]),
        ("/webhooks?=", vec!["?"]),
        ("/webhooks?limti=1&a=1&limit=0&enabled=1", vec!["?a", "?enabled", "?limit", "?limti"]),
        ("/events?since=yesterday&until=2025-01-15", vec!["?since", "?until"]),
        ("/events?since=2025-01-15T10:30:00+1:0", vec!["?since"]),
        ("/events?enabled=true", vec!["?enabled"]),
        (
            "/deliveries?status=broken&event=evt_1&webhook=evt_01h455vb4pex5vsknk084sn02q",
            vec!["?event", "?status", "?webhook"],
        ),
        ("/deliveries?event=a%20b", vec!["?event"]),
        ("/webhooks/{whk}/deliveries?webhook=whk_01h455vb4pex5vsknk084sn02q", vec!["?webhook"]),
        ("/deliveries/dlv_01h455vb4pex5vsknk084sn02q/attempts?status=1", vec!["?status"]),
    ] {
        table.push(invalid("GET", path, "", &places));
    }
    table
}
