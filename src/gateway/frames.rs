//! Counts the data frames that a person's browser sends through a WebSocket, without touching them.

/// Opcodes below this carry data (continuation, text, binary); those from it on are control frames.
const FIRST_CONTROL: u8 = 8;

/// Follows the frame headers (RFC 6455, section 5.2) in a stream of bytes that may be cut anywhere.
///
/// Extensions change what is inside a frame, not its header, so they do not matter here. What is no WebSocket is
/// followed as if it were one: the counter only ever counts.
#[derive(Debug, Default)]
pub struct Frames {
    /// The header that is being read.
    header: Vec<u8>,
    /// Bytes of the present frame's payload that are still to come.
    left: u64,
}

impl Frames {
    /// Takes the next bytes and answers how many data frames began in them.
    pub fn feed(&mut self, mut bytes: &[u8]) -> u64 {
        let mut data = 0;
        while !bytes.is_empty() {
            if self.left > 0 {
                let skip = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
                self.left -= skip as u64;
                bytes = &bytes[skip..];
                continue;
            }
            self.header.push(bytes[0]);
            bytes = &bytes[1..];
            if let Some(length) = payload_length(&self.header) {
                data += u64::from(self.header[0] & 0x0f < FIRST_CONTROL);
                self.left = length;
                self.header.clear();
            }
        }
        data
    }
}

/// The payload's length once `header` is complete.
fn payload_length(header: &[u8]) -> Option<u64> {
    let (first, rest) = (*header.get(1)?, &header[2..]);
    let mask = if first & 0x80 == 0 { 0 } else { 4 };
    let extended = match first & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    if rest.len() < extended + mask {
        return None;
    }
    let long = rest[..extended].iter().fold(0_u64, |length, byte| (length << 8) | u64::from(*byte));
    Some(if extended == 0 { u64::from(first & 0x7f) } else { long })
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng, rngs::StdRng};

    use super::*;

    /// A masked frame as a browser sends it.
    fn frame(opcode: u8, length: usize) -> Vec<u8> {
        let mut frame = vec![0x80 | opcode];
        match length {
            0..126 => frame.push(0x80 | u8::try_from(length).unwrap()),
            126..65_536 => {
                frame.push(0x80 | 0x7e);
                frame.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                frame.push(0x80 | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend([1, 2, 3, 4]);
        // Payload that looks like headers of data frames.
        frame.extend(std::iter::repeat_n(0x81, length));
        frame
    }

    const TEXT: u8 = 1;
    const BINARY: u8 = 2;
    const CLOSE: u8 = 8;
    const PING: u8 = 9;
    const PONG: u8 = 10;

    #[test]
    fn data_frames_count_and_control_frames_do_not() {
        let mut frames = Frames::default();
        assert_eq!(frames.feed(&frame(TEXT, 5)), 1);
        assert_eq!(frames.feed(&frame(PING, 0)), 0);
        assert_eq!(frames.feed(&frame(PONG, 125)), 0);
        assert_eq!(frames.feed(&frame(BINARY, 0)), 1);
        assert_eq!(frames.feed(&frame(CLOSE, 2)), 0);
    }

    #[test]
    fn wherever_the_bytes_are_cut_the_count_is_the_same() {
        let seed = rand::random();
        println!("seed {seed}");
        let mut random = StdRng::seed_from_u64(seed);
        for _ in 0..200 {
            let opcodes: Vec<u8> =
                (0..8).map(|_| [0, TEXT, BINARY, CLOSE, PING, PONG][random.random_range(0..6)]).collect();
            let expected = opcodes.iter().filter(|opcode| **opcode < FIRST_CONTROL).count() as u64;
            let lengths = [0, 1, 125, 126, 127, 65_535, 65_536];
            let stream: Vec<u8> =
                opcodes.iter().flat_map(|opcode| frame(*opcode, lengths[random.random_range(0..7)])).collect();
            let (mut frames, mut rest, mut counted) = (Frames::default(), &stream[..], 0);
            while !rest.is_empty() {
                let (now, later) = rest.split_at(random.random_range(1..=rest.len().min(70_000)));
                counted += frames.feed(now);
                rest = later;
            }
            assert_eq!(counted, expected);
            assert_eq!(frames.feed(&frame(TEXT, 1)), 1);
        }
    }
}
