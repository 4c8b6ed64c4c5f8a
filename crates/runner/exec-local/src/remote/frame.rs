//! The frames of the protocol: the lengths of a header and of a body, each four bytes, big-endian; the header, a JSON
//! document; and the body.

use std::io::{self, ErrorKind, Read};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The longest header, in bytes.
const MAX_HEADER: u32 = 64 * 1024;

/// The longest body, in bytes. The specification of a run is the largest.
const MAX_BODY: u32 = 64 * 1024 * 1024;

/// The lengths of the parts of a frame.
#[derive(Debug, Clone, Copy)]
struct Lengths {
    header: usize,
    body: usize,
}

impl Lengths {
    /// The length of the lengths.
    const BYTES: usize = 8;

    /// Reads the beginning of a frame. Fails for a frame that is too long.
    fn parse(bytes: [u8; Self::BYTES]) -> io::Result<Self> {
        let [a, b, c, d, e, f, g, h] = bytes;
        let (header, body) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
        if header > MAX_HEADER || body > MAX_BODY {
            return Err(io::Error::new(ErrorKind::InvalidData, "a frame is too long"));
        }
        Ok(Self { header: header as usize, body: body as usize })
    }
}

/// Returns a frame.
///
/// # Errors
///
/// Fails if a part is too long.
pub fn encode(header: &impl Serialize, body: &[u8]) -> io::Result<Vec<u8>> {
    let header = serde_json::to_vec(header)?;
    let too_long = |_| io::Error::new(ErrorKind::InvalidInput, "a frame is too long");
    let lengths = [header.len(), body.len()].map(u32::try_from);
    let mut frame = Vec::with_capacity(Lengths::BYTES + header.len() + body.len());
    for length in lengths {
        frame.extend(length.map_err(too_long)?.to_be_bytes());
    }
    if let Some(lengths) = frame.first_chunk() {
        Lengths::parse(*lengths)?;
    }
    frame.extend(header);
    frame.extend(body);
    Ok(frame)
}

fn header<T: DeserializeOwned>(bytes: &[u8]) -> io::Result<T> {
    Ok(serde_json::from_slice(bytes)?)
}

/// Returns the next frame: its header and its body.
///
/// # Errors
///
/// Fails at the end of the stream, and for what is no frame.
pub async fn next<T: DeserializeOwned>(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<(T, Vec<u8>)> {
    let mut lengths = [0; Lengths::BYTES];
    stream.read_exact(&mut lengths).await?;
    let lengths = Lengths::parse(lengths)?;
    let (mut bytes, mut body) = (vec![0; lengths.header], vec![0; lengths.body]);
    stream.read_exact(&mut bytes).await?;
    stream.read_exact(&mut body).await?;
    Ok((header(&bytes)?, body))
}

/// Reads the next frame.
///
/// # Errors
///
/// Fails at the end of the stream, and for what is no frame.
pub(crate) fn read<T: DeserializeOwned>(stream: &mut impl Read) -> io::Result<(T, Vec<u8>)> {
    let mut lengths = [0; Lengths::BYTES];
    stream.read_exact(&mut lengths)?;
    let lengths = Lengths::parse(lengths)?;
    let (mut bytes, mut body) = (vec![0; lengths.header], vec![0; lengths.body]);
    stream.read_exact(&mut bytes)?;
    stream.read_exact(&mut body)?;
    Ok((header(&bytes)?, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_as_it_was_written() {
        let mut stream = encode(&"first", b"body").unwrap();
        stream.extend(encode(&7, &[]).unwrap());
        let mut stream = stream.as_slice();
        assert_eq!(read::<String>(&mut stream).unwrap(), ("first".to_owned(), b"body".to_vec()));
        assert_eq!(read::<u8>(&mut stream).unwrap(), (7, Vec::new()));
        assert_eq!(read::<u8>(&mut stream).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_frame_that_is_too_long_is_refused() {
        for lengths in [[0, 1, 0, 1, 0, 0, 0, 0], [0, 0, 0, 1, 4, 0, 0, 1], [255; 8]] {
            assert!(Lengths::parse(lengths).is_err(), "{lengths:?}");
        }
        assert!(encode(&"x".repeat(MAX_HEADER as usize), &[]).is_err());
    }
}
