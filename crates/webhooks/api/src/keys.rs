//! Sort keys of lists whose items have no id.

use std::fmt::{self, Display};
use std::str::FromStr;

use rdev_webhooks_domain::Timestamp;

/// The position of a subscriber in the delivery stream.
pub(crate) struct FeedCursor(pub Timestamp);

impl Display for FeedCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "feed@{}", self.0.as_micros())
    }
}

impl FromStr for FeedCursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let micros = text.strip_prefix("feed@").ok_or(())?;
        micros.parse().map(Timestamp::from_micros).map(Self).map_err(|_| ())
    }
}

/// The sort key of a delivery's attempts.
pub(crate) struct AttemptNumber(pub u32);

impl Display for AttemptNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "att#{}", self.0)
    }
}

impl FromStr for AttemptNumber {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let number = text.strip_prefix("att#").ok_or(())?;
        number.parse().map(Self).map_err(|_| ())
    }
}
