//! The members of a webhook's body, each read by itself.

use std::num::NonZeroU32;
use std::time::Duration;

use rdev_webhooks_domain::{CustomHeaders, CustomHeadersError, EventPattern, REDACTED, RateLimit};

use rdev_http::Faults;
use rdev_http::body::Value;

const MAX_DESCRIPTION: usize = 1_000;
const MAX_PATTERNS: usize = 100;
/// Maximum number of members in `headers`: some may remove headers while as many as are allowed are set.
const MAX_HEADER_MEMBERS: usize = 64;
const MAX_IN_FLIGHT: u32 = 1_000;
const TIMEOUT_MS: std::ops::RangeInclusive<u32> = 100..=60_000;

pub(in crate::routes) fn description(value: &Value<'_>, faults: &mut Faults) -> Option<String> {
    let text = value.string(faults)?;
    let is_odd = |character: char| character.is_control() && !matches!(character, '\n' | '\t');
    if text.chars().count() > MAX_DESCRIPTION {
        value.refuse(faults, format_args!("must be at most {MAX_DESCRIPTION} characters long"))
    } else if text.chars().any(is_odd) {
        value.refuse(faults, "must contain no control characters except line breaks (\\n) and tabs")
    } else {
        Some(text)
    }
}

/// Returns the patterns that could be read, each with its place.
pub(super) fn patterns(value: &Value<'_>, faults: &mut Faults) -> Vec<(usize, EventPattern)> {
    let Some(elements) = value.array(MAX_PATTERNS, faults) else {
        return Vec::new();
    };
    if elements.is_empty() {
        value.fault(faults, "must contain at least one event type or pattern");
    }
    if elements.len() > MAX_PATTERNS {
        value.fault(faults, format_args!("must contain at most {MAX_PATTERNS} patterns"));
        return Vec::new();
    }
    let elements = elements.iter().enumerate();
    elements.filter_map(|(index, element)| Some((index, element.parsed(faults)?))).collect()
}

/// Returns custom headers by name, in order. A header without a value is to be removed, which only a patch
/// may request.
pub(super) fn headers(
    value: &Value<'_>,
    may_remove: bool,
    faults: &mut Faults,
) -> Option<Vec<(String, Option<String>)>> {
    let members: Vec<_> = value.object(faults)?.into_rest().collect();
    if members.len() > MAX_HEADER_MEMBERS {
        return value.refuse(faults, CustomHeadersError::TooMany);
    }
    let mut checked = CustomHeaders::default();
    let mut headers: Vec<(String, Option<String>)> = Vec::new();
    for (name, member) in members {
        let is_removed = may_remove && member.is_null();
        let text = if is_removed { None } else { member.string(faults) };
        if text.as_deref() == Some(REDACTED) {
            // The client sends back a redacted value, and would lose the real one.
            let detail = "is a placeholder and not a value: omit the header to keep its value";
            member.fault(faults, detail);
            continue;
        }
        let is_twice = headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(&name));
        let fault = match &text {
            _ if is_twice => Some(CustomHeadersError::Duplicate),
            Some(text) => checked.insert(&name, text).err(),
            None => None,
        };
        match fault {
            None if is_removed || text.is_some() => headers.push((name, text)),
            None => {} // not a string, which has been noted
            Some(CustomHeadersError::TooMany) => {
                return value.refuse(faults, CustomHeadersError::TooMany);
            }
            Some(fault) => member.fault(faults, fault),
        }
    }
    Some(headers)
}

pub(super) fn rate_limit(value: &Value<'_>, faults: &mut Faults) -> Option<RateLimit> {
    match RateLimit::per_second(value.number(faults)?) {
        Some(rate) => Some(rate),
        None => value.refuse(faults, "must be a number of deliveries per second from 0.001 to 10000"),
    }
}

pub(super) fn max_in_flight(value: &Value<'_>, faults: &mut Faults) -> Option<NonZeroU32> {
    NonZeroU32::new(value.integer(1..=MAX_IN_FLIGHT, faults)?)
}

pub(super) fn timeout(value: &Value<'_>, faults: &mut Faults) -> Option<Duration> {
    let milliseconds = value.integer(TIMEOUT_MS, faults)?;
    Some(Duration::from_millis(milliseconds.into()))
}
