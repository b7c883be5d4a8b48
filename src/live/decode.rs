//! WebSocket frames as a client writes them (RFC 6455, section 5.2): masked, perhaps in fragments, perhaps hostile.
//!
//! A length is judged when its header arrives, before anything of the payload is kept, so that a client can make the
//! server hold one message of [`MESSAGE_MAX`] bytes and no more.

use bytes::{Buf, Bytes, BytesMut};

use super::frame::{CONTROL_MAX, CloseCode};

/// Longest message of a client, in bytes.
pub const MESSAGE_MAX: usize = 64 * 1024;

/// What a client said.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Incoming {
    /// A whole text message.
    Text(String),
    /// A ping, to be answered with its payload.
    Ping(Bytes),
    /// An answer to our ping.
    Pong,
    /// The client closes, or answers our close.
    Close,
}

/// How the client broke the rules: the connection ends with that code.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Violation {
    /// The code for the close frame.
    pub code: CloseCode,
    /// A few words for whoever writes that client.
    pub reason: &'static str,
}

const fn protocol(reason: &'static str) -> Violation {
    Violation { code: CloseCode::Protocol, reason }
}

const TOO_BIG: Violation = Violation { code: CloseCode::TooBig, reason: "a message has at most 65536 bytes" };

/// Kinds of frames.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Opcode {
    Continuation,
    Text,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    fn read(bits: u8) -> Result<Self, Violation> {
        match bits {
            0x0 => Ok(Self::Continuation),
            0x1 => Ok(Self::Text),
            0x2 => Err(Violation { code: CloseCode::Unsupported, reason: "messages are JSON texts" }),
            0x8 => Ok(Self::Close),
            0x9 => Ok(Self::Ping),
            0xA => Ok(Self::Pong),
            _ => Err(protocol("unknown opcode")),
        }
    }

    const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// The head of a frame.
#[derive(Clone, Copy, Debug)]
struct Head {
    last: bool,
    opcode: Opcode,
    mask: [u8; 4],
    /// Bytes of the head itself.
    size: usize,
    /// Bytes of the payload.
    length: usize,
}

/// Puts messages together from the bytes of one connection.
#[derive(Debug, Default)]
pub struct Decoder {
    unread: BytesMut,
    /// What came of a message in fragments; `None` between messages.
    message: Option<BytesMut>,
}

impl Decoder {
    /// Takes what the network brought.
    pub fn push(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
    }

    /// The next whole message; `None` until more bytes come.
    ///
    /// # Errors
    /// [`Violation`]: the decoder is of no use after that.
    pub fn next_message(&mut self) -> Result<Option<Incoming>, Violation> {
        while let Some(head) = self.head()? {
            if self.unread.len() < head.size + head.length {
                return Ok(None);
            }
            self.unread.advance(head.size);
            let mut payload = self.unread.split_to(head.length);
            unmask(&mut payload, head.mask);
            if self.unread.is_empty() {
                // Nothing is kept for a client that says nothing.
                self.unread = BytesMut::new();
            }
            if let Some(message) = self.take(head, payload)? {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    /// The head of the next frame, judged; `None` while it is not complete.
    fn head(&self) -> Result<Option<Head>, Violation> {
        let &[first, second, ..] = &self.unread[..] else { return Ok(None) };
        if first & 0x70 != 0 {
            return Err(protocol("no extension was agreed on"));
        }
        let opcode = Opcode::read(first & 0x0F)?;
        if second & 0x80 == 0 {
            return Err(protocol("a client masks its frames"));
        }
        let (extended, short) = match second & 0x7F {
            126 => (2, 0),
            127 => (8, 0),
            length => (0, usize::from(length)),
        };
        let size = 2 + extended + 4;
        let Some(rest) = self.unread.get(2..size) else { return Ok(None) };
        let (wide, mask) = rest.split_at(extended);
        let length = wide.iter().fold(short as u64, |length, byte| length << 8 | u64::from(*byte));
        let head = Head {
            last: first & 0x80 != 0,
            opcode,
            mask: mask.try_into().unwrap_or_default(),
            size,
            length: usize::try_from(length).map_err(|_| TOO_BIG)?,
        };
        self.judge(head).map(Some)
    }

    fn judge(&self, head: Head) -> Result<Head, Violation> {
        if head.opcode.is_control() {
            let whole = head.last && head.length <= CONTROL_MAX;
            return whole.then_some(head).ok_or(protocol("a control frame is whole and has at most 125 bytes"));
        }
        let so_far = match (head.opcode, &self.message) {
            (Opcode::Continuation, None) => return Err(protocol("a continuation of nothing")),
            (Opcode::Text, Some(_)) => return Err(protocol("the message before this one was not finished")),
            (_, message) => message.as_ref().map_or(0, BytesMut::len),
        };
        match so_far.checked_add(head.length) {
            Some(length) if length <= MESSAGE_MAX => Ok(head),
            _ => Err(TOO_BIG),
        }
    }

    fn take(&mut self, head: Head, payload: BytesMut) -> Result<Option<Incoming>, Violation> {
        match head.opcode {
            Opcode::Ping => return Ok(Some(Incoming::Ping(payload.freeze()))),
            Opcode::Pong => return Ok(Some(Incoming::Pong)),
            Opcode::Close if payload.len() == 1 => return Err(protocol("a close code has two bytes")),
            Opcode::Close => return Ok(Some(Incoming::Close)),
            Opcode::Text | Opcode::Continuation => {}
        }
        let message = match self.message.take() {
            Some(mut begun) => {
                begun.extend_from_slice(&payload);
                begun
            }
            None => payload,
        };
        if !head.last {
            self.message = Some(message);
            return Ok(None);
        }
        let text = String::from_utf8(message.into())
            .map_err(|_| Violation { code: CloseCode::Invalid, reason: "a text message is UTF-8" })?;
        Ok(Some(Incoming::Text(text)))
    }
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    for (byte, key) in payload.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASK: [u8; 4] = [0xA1, 0x02, 0xFE, 0x00];

    /// A frame as a client sends it.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first];
        match payload.len() {
            length @ 0..126 => bytes.push(0x80 | u8::try_from(length).unwrap()),
            length @ 126..65_536 => {
                bytes.push(0x80 | 0x7E);
                bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            length => {
                bytes.push(0x80 | 0x7F);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        bytes.extend(MASK);
        let start = bytes.len();
        bytes.extend(payload);
        unmask(&mut bytes[start..], MASK);
        bytes
    }

    fn all(chunks: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Result<Vec<Incoming>, Violation> {
        let mut decoder = Decoder::default();
        let mut messages = Vec::new();
        for chunk in chunks {
            decoder.push(chunk.as_ref());
            while let Some(message) = decoder.next_message()? {
                messages.push(message);
            }
        }
        Ok(messages)
    }

    fn text(text: &str) -> Incoming {
        Incoming::Text(text.to_owned())
    }

    #[test]
    fn messages_are_the_same_however_the_network_cuts_them() {
        let stream = [frame(0x81, "grüße".as_bytes()), frame(0x89, b"p"), frame(0x81, &vec![b'x'; 65_000])].concat();
        let whole = all([&stream]).unwrap();
        assert_eq!(whole.len(), 3);
        for size in [1, 2, 7, 1_000] {
            assert_eq!(all(stream.chunks(size)).unwrap(), whole, "in chunks of {size}");
        }
    }

    #[test]
    fn fragments_become_one_message_with_control_frames_between_them() {
        let frames = [frame(0x01, b"{\"a\""), frame(0x8A, b""), frame(0x00, b":1"), frame(0x80, b"}")];
        assert_eq!(all(frames).unwrap(), [Incoming::Pong, text("{\"a\":1}")]);
    }

    #[test]
    fn the_longest_message_is_taken_and_one_byte_more_is_refused_by_its_header_alone() {
        let longest = vec![b'x'; MESSAGE_MAX];
        assert_eq!(all([frame(0x81, &longest)]).unwrap().len(), 1);
        let header = &frame(0x81, &vec![b'x'; MESSAGE_MAX + 1])[..14];
        assert_eq!(all([header]), Err(TOO_BIG));
        let absurd = [&[0x81, 0xFF][..], &u64::MAX.to_be_bytes(), &MASK].concat();
        assert_eq!(all([absurd]), Err(TOO_BIG));
    }

    #[test]
    fn fragments_count_together() {
        let half = vec![b'x'; MESSAGE_MAX / 2];
        assert_eq!(all([frame(0x01, &half), frame(0x80, &half)]).unwrap().len(), 1);
        assert_eq!(all([frame(0x01, &half), frame(0x00, &half), frame(0x80, b"x")]), Err(TOO_BIG));
    }

    #[test]
    fn what_breaks_the_protocol_is_named_with_the_right_code() {
        let mut unmasked = frame(0x81, b"");
        unmasked[1] &= 0x7F;
        let cases = [
            (unmasked, CloseCode::Protocol),
            (frame(0xC1, b""), CloseCode::Protocol),
            (frame(0x83, b""), CloseCode::Protocol),
            (frame(0x82, b""), CloseCode::Unsupported),
            (frame(0x80, b"x"), CloseCode::Protocol),
            ([frame(0x01, b"a"), frame(0x81, b"b")].concat(), CloseCode::Protocol),
            (frame(0x09, b""), CloseCode::Protocol),
            (frame(0x89, &[0; 126]), CloseCode::Protocol),
            (frame(0x88, b"x"), CloseCode::Protocol),
            (frame(0x81, b"\xFF"), CloseCode::Invalid),
        ];
        for (bytes, code) in cases {
            assert_eq!(all([&bytes]).unwrap_err().code, code, "{bytes:02x?}");
        }
    }

    #[test]
    fn a_silent_client_costs_no_buffer() {
        let mut decoder = Decoder::default();
        decoder.push(&frame(0x81, &vec![b'x'; 10_000]));
        assert!(decoder.next_message().unwrap().is_some());
        assert_eq!(decoder.unread.capacity(), 0);
    }
}
