//! Names in error messages.

use rdev_webhooks_domain::EventType;

/// Maximum number of names in a message.
const MAX_LISTED: usize = 50;

/// Returns names as a list in a sentence; of a long list, only the first.
pub(in crate::routes) fn listed(names: &[EventType]) -> String {
    let first: Vec<&str> = names.iter().take(MAX_LISTED).map(EventType::as_str).collect();
    let first = first.join(", ");
    match names.len().saturating_sub(MAX_LISTED) {
        0 => first,
        more => format!("{first}, and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_is_cut_short() {
        let names: Vec<EventType> = (0..52).map(|number| format!("a{number}").parse().unwrap()).collect();
        assert_eq!(listed(&names[..2]), "a0, a1");
        assert!(listed(&names).ends_with("a49, and 2 more"));
    }
}
