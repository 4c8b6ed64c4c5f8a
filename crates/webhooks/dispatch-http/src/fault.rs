//! The distinction between faults of this host and failures of an endpoint.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};

use rdev_webhooks_domain::AttemptFailure;
use rdev_webhooks_domain::ports::{LocalCause, LocalFault};

/// The reason why there is no connection.
#[derive(Debug)]
pub(crate) enum NotConnected {
    /// The endpoint failed.
    Endpoint(AttemptFailure),
    /// This host could not make the attempt.
    Local(LocalFault),
}

impl From<AttemptFailure> for NotConnected {
    fn from(failure: AttemptFailure) -> Self {
        Self::Endpoint(failure)
    }
}

impl From<LocalFault> for NotConnected {
    fn from(fault: LocalFault) -> Self {
        Self::Local(fault)
    }
}

/// Documentation addresses (RFC 5737, RFC 3849): only a default route leads there.
const ANY_V4: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 9);
const ANY_V6: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)), 9);

/// The routes that this host has had since the process started.
#[derive(Debug)]
pub(crate) struct Routes {
    had_v4: AtomicBool,
    had_v6: AtomicBool,
}

impl Routes {
    pub(crate) fn new() -> Self {
        let routes = Self { had_v4: AtomicBool::new(false), had_v6: AtomicBool::new(false) };
        for address in [ANY_V4, ANY_V6] {
            if has_route(address) {
                routes.had(address.ip()).store(true, Ordering::Relaxed);
            }
        }
        routes
    }

    /// Returns the fault if `error`, which occurred while connecting to `address`, is a fault of this host.
    pub(crate) fn fault(&self, error: &io::Error, address: SocketAddr) -> Option<LocalFault> {
        match error.kind() {
            io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::HostUnreachable => self.no_route(error, address),
            // Without an IPv6 address there is no local port either.
            io::ErrorKind::AddrNotAvailable if address.is_ipv6() && !has_route(address) => {
                self.no_route(error, address)
            }
            _ => of_resources(error),
        }
    }

    fn no_route(&self, error: &io::Error, address: SocketAddr) -> Option<LocalFault> {
        let (own, other) = if address.is_ipv4() { (ANY_V4, ANY_V6) } else { (ANY_V6, ANY_V4) };
        // A router on the way may have reported it, or a route that excludes this one destination.
        if has_route(address) || has_route(own) {
            return None;
        }
        let had = self.had(address.ip());
        // A host that never had IPv6 is not in an outage.
        if !had.load(Ordering::Relaxed) && has_route(other) {
            return None;
        }
        Some(fault(LocalCause::Network, format!("this host has no route to the network: {error}")))
    }

    fn had(&self, address: IpAddr) -> &AtomicBool {
        if address.is_ipv4() { &self.had_v4 } else { &self.had_v6 }
    }
}

/// Returns the fault if this host ran out of a resource.
pub(crate) fn of_resources(error: &io::Error) -> Option<LocalFault> {
    let cause = match error.raw_os_error() {
        Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => LocalCause::Resources,
        Some(libc::EADDRNOTAVAIL) => LocalCause::Ports,
        _ => return None,
    };
    let what = match cause {
        LocalCause::Ports => "this host has no local port left",
        _ => "this host has no descriptors or memory left",
    };
    Some(fault(cause, format!("{what}: {error}")))
}

pub(crate) fn fault(cause: LocalCause, detail: impl Into<String>) -> LocalFault {
    LocalFault { cause, detail: detail.into() }
}

/// Returns whether this host has a route to an address. Connecting a UDP socket sends nothing.
fn has_route(address: SocketAddr) -> bool {
    let any: IpAddr =
        if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    match UdpSocket::bind((any, 0)).and_then(|socket| socket.connect(address)) {
        Ok(()) => true,
        Err(error) => !matches!(
            error.kind(),
            io::ErrorKind::NetworkUnreachable
                | io::ErrorKind::NetworkDown
                | io::ErrorKind::HostUnreachable
                | io::ErrorKind::AddrNotAvailable
                | io::ErrorKind::Unsupported
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortage_of_this_host_is_not_a_failure_of_the_endpoint() {
        let routes = Routes::new();
        let address = "127.0.0.1:1".parse().unwrap();
        let cause =
            |code| routes.fault(&io::Error::from_raw_os_error(code), address).map(|fault| fault.cause);
        for code in [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM] {
            assert_eq!(cause(code), Some(LocalCause::Resources));
        }
        assert_eq!(cause(libc::EADDRNOTAVAIL), Some(LocalCause::Ports));
        for code in [libc::ECONNREFUSED, libc::ECONNRESET, libc::EHOSTUNREACH, libc::ETIMEDOUT, libc::EPERM] {
            assert_eq!(cause(code), None);
        }
        // There is a route to this host itself, so another host must have reported the error.
        assert_eq!(cause(libc::ENETUNREACH), None);
    }
}
