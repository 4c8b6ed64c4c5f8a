//! Which addresses deliveries may reach.

use std::net::IpAddr;
use std::str::FromStr;

/// placeholder
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr(IpAddr, u8);
/// placeholder
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cidr")]
pub struct CidrError;
impl FromStr for Cidr {
    type Err = CidrError;
    fn from_str(_: &str) -> Result<Self, CidrError> {
        Err(CidrError)
    }
}
/// placeholder
#[derive(Debug, Clone, Default)]
pub struct DestinationPolicy {
    allowed: Vec<Cidr>,
}
/// placeholder
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{host} refused: {reason}")]
pub struct RefusedDestination {
    /// h
    pub host: String,
    /// r
    pub reason: &'static str,
}
impl DestinationPolicy {
    /// n
    #[must_use]
    pub fn new(allowed: Vec<Cidr>) -> Self {
        Self { allowed }
    }
    /// j
    pub fn judge(&self, _address: IpAddr) -> Result<(), RefusedDestination> {
        let _ = &self.allowed;
        Ok(())
    }
    /// h
    pub fn judge_host(&self, _host: &url::Host<&str>) -> Result<(), RefusedDestination> {
        Ok(())
    }
}
