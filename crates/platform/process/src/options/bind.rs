use std::net::SocketAddr;

/// Parses the address of a listener: an IP address and a port, or `localhost` and a port.
///
/// # Errors
/// Fails with examples of valid addresses.
pub fn bind_address(text: &str) -> Result<SocketAddr, String> {
    let with_ip = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.to_owned(),
    };
    with_ip.parse().map_err(|_| {
        let port = text.rsplit(':').next().filter(|port| port.parse::<u16>().is_ok()).unwrap_or("8080");
        format!("use 127.0.0.1:{port} for clients on this machine, or 0.0.0.0:{port} for those on any")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_understood_or_its_error_has_an_example() {
        for (text, expected) in
            [("localhost:80", "127.0.0.1:80"), ("0.0.0.0:1", "0.0.0.0:1"), ("[::1]:2", "[::1]:2")]
        {
            assert_eq!(bind_address(text), Ok(expected.parse().unwrap()), "{text}");
        }
        assert!(bind_address(":9000").unwrap_err().contains("127.0.0.1:9000"));
        for text in ["", "8080", "localhost", "localhost:x", "example.com:80", "1.2.3.4"] {
            assert!(bind_address(text).unwrap_err().contains("0.0.0.0:8"), "{text}");
        }
    }
}
