//! WebSocket frames as a server writes them (RFC 6455, section 5.2): unmasked, never fragmented.

use bytes::{BufMut, Bytes, BytesMut};

/// First byte: last fragment of a text message.
const TEXT: u8 = 0x81;
/// First byte of a close frame.
const CLOSE: u8 = 0x88;
/// First byte of a ping.
const PING: u8 = 0x89;
/// First byte of a pong.
const PONG: u8 = 0x8A;
/// Payloads from this length on carry it in two more bytes, and in eight more beyond 65,535.
const SHORT: usize = 126;
/// Longest payload of a control frame.
pub(super) const CONTROL_MAX: usize = 125;

/// Codes with which a connection is closed (RFC 6455, section 7.4.1, and the registry of IANA).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u16)]
pub enum CloseCode {
    /// What was asked for has been sent.
    Normal = 1000,
    /// The server goes away, or the client seems to have.
    Away = 1001,
    /// The client broke the protocol.
    Protocol = 1002,
    /// Binary messages are not understood.
    Unsupported = 1003,
    /// A text message was not UTF-8.
    Invalid = 1007,
    /// The reader may no longer read, or asks for too much.
    Policy = 1008,
    /// A message was too long.
    TooBig = 1009,
    /// The reader is too slow: it may come back and resume.
    TryAgainLater = 1013,
}

fn header(into: &mut BytesMut, first: u8, length: usize) {
    into.put_u8(first);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length), _) if usize::from(length) < SHORT => into.put_u8(length),
        (_, Ok(length)) => {
            into.put_u8(126);
            into.put_u16(length);
        }
        _ => {
            into.put_u8(127);
            into.put_u64(length as u64);
        }
    }
}

fn frame(first: u8, parts: &[&[u8]]) -> Bytes {
    let length = parts.iter().map(|part| part.len()).sum();
    let mut bytes = BytesMut::with_capacity(length + 10);
    header(&mut bytes, first, length);
    for part in parts {
        bytes.put_slice(part);
    }
    bytes.freeze()
}

/// One text message made of `parts`, with its header.
#[must_use]
pub fn text(parts: &[&[u8]]) -> Bytes {
    frame(TEXT, parts)
}

/// The header and the beginning of a text message of which `rest` more bytes follow in pieces of their own.
#[must_use]
pub fn text_begin(begin: &[u8], rest: usize) -> Bytes {
    let mut bytes = BytesMut::with_capacity(begin.len() + 10);
    header(&mut bytes, TEXT, begin.len() + rest);
    bytes.put_slice(begin);
    bytes.freeze()
}

/// A ping without payload.
#[must_use]
pub fn ping() -> Bytes {
    Bytes::from_static(&[PING, 0])
}

/// The answer to a ping with that payload (at most 125 bytes, as the decoder saw to).
#[must_use]
pub fn pong(payload: &[u8]) -> Bytes {
    frame(PONG, &[payload])
}

/// A close frame; `reason` is cut at 123 bytes, between two characters.
#[must_use]
pub fn close(code: CloseCode, reason: &str) -> Bytes {
    let reason = &reason[..reason.floor_char_boundary(CONTROL_MAX - 2)];
    frame(CLOSE, &[&(code as u16).to_be_bytes(), reason.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_takes_as_many_bytes_as_it_needs() {
        assert_eq!(&text(&[b"{}"])[..], b"\x81\x02{}");
        assert_eq!(text(&[&[b'x'; 125]])[..2], [0x81, 125]);
        assert_eq!(text(&[&[b'x'; 126]])[..4], [0x81, 126, 0, 126]);
        assert_eq!(text(&[&vec![b'x'; 65_535]])[..4], [0x81, 126, 0xFF, 0xFF]);
        assert_eq!(text(&[&vec![b'x'; 65_536]])[..10], [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn a_message_in_pieces_is_announced_with_its_whole_length() {
        let whole = text(&[b"[1,2", b",3]"]);
        let begin = text_begin(b"[1,2", 3);
        assert_eq!([&begin[..], b",3]"].concat(), whole);
    }

    #[test]
    fn a_reason_that_is_too_long_is_cut_between_two_characters() {
        let frame = close(CloseCode::Away, &"ä".repeat(100));
        assert_eq!(frame[0], 0x88);
        assert_eq!(usize::from(frame[1]), 2 + 122);
        assert_eq!(frame[2..4], 1001_u16.to_be_bytes());
        assert!(std::str::from_utf8(&frame[4..]).is_ok());
    }
}
