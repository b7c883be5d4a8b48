//! Follows what a VNC server says, where a session has no clipboard: drops what was copied in it.
//!
//! Copied text is a message like any other, which no viewer has to ask for, so every message before it has to be
//! measured. Of pictures that is possible where they carry their length; a viewer is therefore offered no other
//! encodings.

use bytes::{Bytes, BytesMut};

use super::{RfbError, VNC_AUTH, be16, be32};

/// Encodings that a viewer may announce here; all that they bring can be measured.
const RAW: i32 = 0;
const COPY: i32 = 1;
const RRE: i32 = 2;
const ZLIB: i32 = 6;
const ZRLE: i32 = 16;
const DESKTOP_SIZE: i32 = -223;
const LAST: i32 = -224;
const POINTER_POSITION: i32 = -232;
const CURSOR: i32 = -239;
const X_CURSOR: i32 = -240;
const QEMU_POINTER: i32 = -257;
const QEMU_KEYS: i32 = -258;
const QEMU_LEDS: i32 = -261;
const DESKTOP_NAME: i32 = -307;
const EXTENDED_DESKTOP_SIZE: i32 = -308;
const XVP: i32 = -309;
const FENCE: i32 = -312;
const CONTINUOUS_UPDATES: i32 = -313;
const MOUSE_BUTTONS: i32 = -316;
const VMWARE_LEDS: i32 = 0x574d_5668;
const MEASURED: [i32; 20] = [
    RAW,
    COPY,
    RRE,
    ZLIB,
    ZRLE,
    DESKTOP_SIZE,
    LAST,
    POINTER_POSITION,
    CURSOR,
    X_CURSOR,
    QEMU_POINTER,
    QEMU_KEYS,
    QEMU_LEDS,
    DESKTOP_NAME,
    EXTENDED_DESKTOP_SIZE,
    XVP,
    FENCE,
    CONTINUOUS_UPDATES,
    MOUSE_BUTTONS,
    VMWARE_LEDS,
];

/// Whether a viewer may announce `encoding` where the server's side is followed. The levels of quality and compression
/// bring nothing of their own.
pub(super) fn is_measured(encoding: i32) -> bool {
    MEASURED.contains(&encoding) || matches!(encoding, -32..=-23 | -256..=-247)
}

/// Number of rectangles that means "until the last one says so".
const ENDLESS: u16 = 0xFFFF;

/// What the server says next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Nothing before a way to sign in is chosen.
    Nothing,
    /// The challenge of a password.
    Challenge,
    /// Whether the viewer is let in.
    Verdict,
    /// Why not.
    Reason,
    /// Size and pixels of the screen.
    Init,
    Message,
    /// So many rectangles of an update are left.
    Rectangle(u16),
}

/// One unit of the server's: its whole length, whether the viewer gets it, and what follows.
struct Unit {
    bytes: u64,
    keep: bool,
    next: Next,
}

/// The server's side after the choice of a way to sign in.
#[derive(Debug)]
pub(super) struct Down {
    next: Next,
    /// Bytes of a pixel; changed by the viewer.
    pixel: u64,
    /// The unit that is being gathered, until its length is known.
    head: Vec<u8>,
    /// Bytes that follow its head, and whether they go on.
    left: (u64, bool),
}

impl Default for Down {
    fn default() -> Self {
        Self { next: Next::Nothing, pixel: 0, head: Vec::new(), left: (0, true) }
    }
}

impl Down {
    /// `way` to sign in is chosen, with RFB 3.`minor`.
    pub(super) fn chosen(&mut self, way: u8, minor: u8) {
        self.next = match (way, minor) {
            (VNC_AUTH, _) => Next::Challenge,
            (_, 8..) => Next::Verdict,
            _ => Next::Init,
        };
    }

    /// The server offers no way to sign in, and is going to say why.
    pub(super) fn refused(&mut self) {
        self.next = Next::Reason;
    }

    /// The viewer asks for pixels of so many bits. Returns whether that is another number.
    pub(super) fn set_pixel_bits(&mut self, bits: u8) -> bool {
        let bytes = u64::from(bits / 8);
        std::mem::replace(&mut self.pixel, bytes) != bytes
    }

    /// Takes bytes of the server and answers those that the viewer gets.
    ///
    /// # Errors
    /// [`RfbError::Server`] for what cannot be measured.
    pub(super) fn pass(&mut self, bytes: &[u8]) -> Result<Bytes, RfbError> {
        let mut out = BytesMut::with_capacity(bytes.len());
        let mut rest = bytes;
        while let Some((first, others)) = rest.split_first() {
            if self.left.0 > 0 {
                let now = usize::try_from(self.left.0).unwrap_or(usize::MAX).min(rest.len());
                if self.left.1 {
                    out.extend_from_slice(&rest[..now]);
                }
                self.left.0 -= now as u64;
                rest = &rest[now..];
                continue;
            }
            self.head.push(*first);
            rest = others;
            let Some(unit) = self.unit()? else { continue };
            if unit.keep {
                out.extend_from_slice(&self.head);
            }
            self.left = (unit.bytes - self.head.len() as u64, unit.keep);
            self.next = unit.next;
            self.head.clear();
        }
        Ok(out.freeze())
    }

    /// The unit that `head` begins; `None` until enough of it is there.
    fn unit(&mut self) -> Result<Option<Unit>, RfbError> {
        let head = &self.head[..];
        let keep = |bytes: u64, next: Next| Unit { bytes, keep: true, next };
        Ok(match self.next {
            Next::Nothing => return Err(RfbError::Server),
            Next::Challenge => Some(keep(16, Next::Verdict)),
            Next::Verdict => be32(head, 0).map(|verdict| keep(4, if verdict == 0 { Next::Init } else { Next::Reason })),
            // The connection ends after it.
            Next::Reason => be32(head, 0).map(|length| keep(4 + u64::from(length), Next::Message)),
            Next::Init => {
                let unit = be32(head, 20).map(|length| keep(24 + u64::from(length), Next::Message));
                if unit.is_some() && self.pixel == 0 {
                    self.pixel = u64::from(head[4] / 8);
                }
                unit
            }
            Next::Message => message(head)?,
            Next::Rectangle(left) => self.rectangle(left)?,
        })
    }

    fn rectangle(&self, left: u16) -> Result<Option<Unit>, RfbError> {
        let head = &self.head[..];
        let (Some(width), Some(height), Some(encoding)) = (be16(head, 4), be16(head, 6), be32(head, 8)) else {
            return Ok(None);
        };
        let (width, height, encoding) = (u64::from(width), u64::from(height), encoding.cast_signed());
        let mask = width.div_ceil(8) * height;
        let content = match encoding {
            RAW => Some(width * height * self.pixel),
            COPY => Some(4),
            RRE => be32(head, 12).map(|parts| 4 + self.pixel + u64::from(parts) * (self.pixel + 8)),
            ZLIB | ZRLE | DESKTOP_NAME => be32(head, 12).map(|length| 4 + u64::from(length)),
            CURSOR => Some(width * height * self.pixel + mask),
            X_CURSOR => Some(if mask == 0 { 0 } else { 6 + 2 * mask }),
            EXTENDED_DESKTOP_SIZE => head.get(12).map(|screens| 4 + 16 * u64::from(*screens)),
            QEMU_LEDS => Some(1),
            VMWARE_LEDS => Some(4),
            DESKTOP_SIZE | LAST | POINTER_POSITION | QEMU_POINTER | QEMU_KEYS | MOUSE_BUTTONS => Some(0),
            _ => return Err(RfbError::Server),
        };
        let next = match left {
            _ if encoding == LAST => Next::Message,
            ENDLESS => Next::Rectangle(ENDLESS),
            left => rectangles(left - 1),
        };
        Ok(content.map(|content| Unit { bytes: 12 + content, keep: true, next }))
    }
}

fn rectangles(left: u16) -> Next {
    if left == 0 { Next::Message } else { Next::Rectangle(left) }
}

/// A message; of an update the head, whose rectangles follow. Source: RFC 6143 and the community's protocol description.
fn message(head: &[u8]) -> Result<Option<Unit>, RfbError> {
    let keep = |bytes: u64, next: Next| Some(Unit { bytes, keep: true, next });
    Ok(match head[0] {
        0 => be16(head, 2).and_then(|count| keep(4, rectangles(count))),
        // SetColourMapEntries
        1 => be16(head, 4).and_then(|count| keep(6 + 6 * u64::from(count), Next::Message)),
        // Bell, EndOfContinuousUpdates
        2 | 150 => keep(1, Next::Message),
        // ServerCutText; a negative length is the extended clipboard's
        3 => be32(head, 4).map(|length| Unit {
            bytes: 8 + u64::from(length.cast_signed().unsigned_abs()),
            keep: false,
            next: Next::Message,
        }),
        // ServerFence
        248 => head.get(8).and_then(|length| keep(9 + u64::from(*length), Next::Message)),
        // xvp
        250 => keep(4, Next::Message),
        _ => return Err(RfbError::Server),
    })
}
