//! Names in explanations.

use rdev_webhooks_domain::EventType;

/// How many names an explanation lists.
const MAX_LISTED: usize = 50;

/// Names as a list in a sentence; of very many, the first.
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
