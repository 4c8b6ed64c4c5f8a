//! Amounts of money.

use std::fmt;
use std::iter::Sum;
use std::ops::Add;

/// An amount of US dollars that is not negative, to a billionth.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Usd(u64);

/// The error for a number that is not an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a number of dollars, at least 0 and at most one billion")]
pub struct UsdError;

const NANOS: f64 = 1e9;

impl Usd {
    /// No money.
    pub const ZERO: Self = Self(0);

    /// Creates an amount from billionths of a dollar, for a store.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Returns the billionths of a dollar, for a store.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Returns the dollars.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / NANOS
    }

    /// Returns the difference, at least zero.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl TryFrom<f64> for Usd {
    type Error = UsdError;

    fn try_from(dollars: f64) -> Result<Self, UsdError> {
        // The product is below 2^63 and not negative.
        if (0.0..=1e9).contains(&dollars) {
            Ok(Self((dollars * NANOS).round() as u64))
        } else {
            Err(UsdError)
        }
    }
}

impl Add for Usd {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sum for Usd {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Usd {
    /// Writes the dollars as a decimal number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_f64())
    }
}

impl fmt::Debug for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} USD")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_rounded_to_a_billionth() {
        let cost = Usd::try_from(0.002_400_000_000_000_000_2).unwrap();
        assert_eq!((cost.as_nanos(), cost.to_string().as_str()), (2_400_000, "0.0024"));
        assert_eq!([cost, cost].into_iter().sum::<Usd>(), Usd::from_nanos(4_800_000));
        assert_eq!(Usd::ZERO.saturating_sub(cost), Usd::ZERO);
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for number in [-0.1, f64::NAN, f64::INFINITY, 1e10] {
            assert_eq!(Usd::try_from(number), Err(UsdError), "{number}");
        }
    }
}
