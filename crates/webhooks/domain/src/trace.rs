//! The trace context of an event.

use std::fmt;
use std::str::FromStr;

/// A `traceparent` of version 00 of the W3C trace context, <https://www.w3.org/TR/trace-context/>.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    trace: u128,
    parent: u64,
    flags: u8,
}

/// The error for a text that is not a `traceparent` that can be continued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a W3C traceparent of version 00")]
pub struct TraceParentError;

impl TraceParent {
    /// Returns the same trace with another span as the parent. A `span` of zero, which the protocol forbids,
    /// leaves the parent unchanged.
    #[must_use]
    pub const fn with_parent(self, span: u64) -> Self {
        if span == 0 { self } else { Self { parent: span, ..self } }
    }

    /// Returns the trace id, which is the same from producer to receiver.
    #[must_use]
    pub const fn trace_id(&self) -> u128 {
        self.trace
    }
}

impl FromStr for TraceParent {
    type Err = TraceParentError;

    fn from_str(text: &str) -> Result<Self, TraceParentError> {
        let hex = |digits: &str, len: usize| {
            let lower = digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            (digits.len() == len && lower).then(|| u128::from_str_radix(digits, 16).ok()).flatten()
        };
        let mut parts = text.split('-');
        let mut field = |len| parts.next().and_then(|part| hex(part, len)).ok_or(TraceParentError);
        let (version, trace, parent, flags) = (field(2)?, field(32)?, field(16)?, field(2)?);
        if version != 0 || trace == 0 || parent == 0 || parts.next().is_some() {
            return Err(TraceParentError);
        }
        // The lengths above bound both.
        let parent = u64::try_from(parent).map_err(|_| TraceParentError)?;
        let flags = u8::try_from(flags).map_err(|_| TraceParentError)?;
        Ok(Self { trace, parent, flags })
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.parent, self.flags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn another_span_continues_the_same_trace() {
        let given: TraceParent = TEXT.parse().unwrap();
        assert_eq!(given.to_string(), TEXT);
        let next = given.with_parent(1);
        assert_eq!(next.trace_id(), given.trace_id());
        assert_eq!(next.to_string(), "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000001-01");
    }

    #[test]
    fn invalid_texts_are_refused() {
        for text in [
            "",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "00-+bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
        ] {
            assert_eq!(text.parse::<TraceParent>(), Err(TraceParentError), "{text}");
        }
    }
}
