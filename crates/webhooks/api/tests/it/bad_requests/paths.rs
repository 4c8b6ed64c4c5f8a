//! Unknown paths and unsupported methods.

use super::{Bad, refused};

pub(super) fn rows() -> Vec<Bad> {
    let mut table = vec![];
    for path in [
        "//",
        "/nothing",
        "/webhooks/",
        "/events/",
        "/healthz/",
        "/WEBHOOKS",
        "/webhooks/{whk}/",
        "/webhooks/{whk}/nothing",
        "/webhooks/nonsense",
        "/webhooks/evt_01h455vb4pex5vsknk084sn02q",
        "/webhooks/whk_01h455vb4pex5vsknk084sn02q",
        "/webhooks/whk_01H455VB4PEX5VSKNK084SN02Q",
        "/webhooks/whk_",
        "/webhooks/%FF",
        "/webhooks/%00",
        "/webhooks/..%2F..%2Fetc",
        "/webhooks/whk_01h455vb4pex5vsknk084sn02q/deliveries",
        "/webhooks/whk_01h455vb4pex5vsknk084sn02q/jwks.json",
        "/webhooks/evt_01h455vb4pex5vsknk084sn02q/jwks.json",
        "/events/whk_01h455vb4pex5vsknk084sn02q",
        "/events/evt_01h455vb4pex5vsknk084sn02q",
        "/deliveries/evt_01h455vb4pex5vsknk084sn02q",
        "/deliveries/dlv_01h455vb4pex5vsknk084sn02q",
        "/deliveries/dlv_01h455vb4pex5vsknk084sn02q/attempts",
        "/deliveries/x/attempts",
    ] {
        table.push(refused("GET", path, 404, "not_found"));
    }
    for (method, path) in [
        ("DELETE", "/webhooks/whk_01h455vb4pex5vsknk084sn02q"),
        ("DELETE", "/webhooks/dlv_01h455vb4pex5vsknk084sn02q"),
        ("POST", "/webhooks/whk_01h455vb4pex5vsknk084sn02q/secret/rotate"),
        ("POST", "/webhooks/dlv_01h455vb4pex5vsknk084sn02q/secret/rotate"),
        ("POST", "/webhooks/whk_01h455vb4pex5vsknk084sn02q/test"),
        ("POST", "/deliveries/dlv_01h455vb4pex5vsknk084sn02q/cancel"),
        ("POST", "/deliveries/whk_01h455vb4pex5vsknk084sn02q/cancel"),
        ("POST", "/deliveries/dlv_01h455vb4pex5vsknk084sn02q/redeliver"),
        ("POST", "/deliveries/whk_01h455vb4pex5vsknk084sn02q/redeliver"),
        ("POST", "/"),
        ("POST", "/nothing"),
        ("POST", "/webhooks//test"),
    ] {
        table.push(refused(method, path, 404, "not_found"));
    }
    for (method, path) in [
        ("PUT", "/webhooks"),
        ("DELETE", "/webhooks"),
        ("POST", "/webhooks/{whk}"),
        ("GET", "/webhooks/{whk}/test"),
        ("POST", "/webhooks/{whk}/jwks.json"),
        ("DELETE", "/events"),
        ("OPTIONS", "/events"),
        ("TRACE", "/deliveries"),
        ("POST", "/deliveries"),
        ("WHATEVER", "/webhooks"),
        ("POST", "/readyz"),
    ] {
        table.push(refused(method, path, 405, "method_not_allowed"));
    }
    table
}
