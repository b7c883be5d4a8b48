//! Follows what a viewer says to a VNC server (RFB 3.3 to 3.8): counts what the person does, and drops what the
//! session does not allow.
//!
//! Viewers ask for updates, answer fences and announce encodings by themselves, so only keys, the pointer and the
//! clipboard are a person's doing. To know where a message ends, every message has to be known; one that is not ends
//! the connection rather than letting input go uncounted or a clipboard through.

use bytes::{Bytes, BytesMut};

use down::{Down, is_measured};

mod down;

/// Security types that can be followed: none, and a password by challenge.
const NONE: u8 = 1;
const VNC_AUTH: u8 = 2;
/// Bytes of the greeting, `RFB 003.008\n`.
const VERSION_BYTES: usize = 12;
/// Bytes of the answer to a password challenge.
const CHALLENGE_BYTES: u64 = 16;
/// The most encodings that a viewer may announce; real ones know about thirty.
const MOST_ENCODINGS: usize = 1_024;

/// Pseudo-encodings that change what follows.
const EXTENDED_MOUSE_BUTTONS: i32 = -316;
/// The extended clipboard's message in which a side says what it can: it names the other actions without doing them.
const CLIPBOARD_CAPS: u32 = 1 << 24;
/// "There is something new on the clipboard": what follows a person's copying. Viewers provide the text itself because
/// they are asked for it, which the app can do as often as it likes.
const CLIPBOARD_NOTIFY: u32 = 1 << 27;

/// Why a viewer cannot be carried on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RfbError {
    /// Not RFB at all.
    #[error("the program does not speak RFB 3")]
    Version,
    /// The server offers only ways to sign in that encrypt or cannot be followed.
    #[error("the VNC server asks for a way to sign in that cannot be carried: let it use none, or a VNC password")]
    Security,
    /// A message of a kind that is not known.
    #[error("the viewer sent a message of the unknown kind {0}")]
    Message(u8),
    /// Something of the server's whose length nobody knows, where every message has to be looked at.
    #[error("the VNC server sent something that cannot be measured, in a session that has no clipboard")]
    Server,
    /// A message that contradicts itself.
    #[error("the viewer sent a malformed message of kind {0}")]
    Malformed(u8),
}

/// What the person may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    /// Copy and paste.
    pub clipboard: bool,
    /// Use keys, pointer and clipboard, and change the screen's size; otherwise only look on.
    pub input: bool,
}

impl Rights {
    /// Whether what is copied passes, either way.
    const fn may_copy(self) -> bool {
        self.clipboard && self.input
    }
}

/// One viewer's conversation, both sides.
#[derive(Debug)]
pub struct Rfb {
    rights: Rights,
    /// Minor version that the viewer chose; both sides need it.
    minor: Option<u8>,
    server: Server,
    /// What the server says after the choice of a way to sign in, where it has to be followed.
    down: Option<Down>,
    viewer: Viewer,
    /// The viewer has asked for pictures.
    asked: bool,
    /// The viewer knows the longer pointer message.
    extended_pointer: bool,
    /// The unit of the viewer's that is being gathered: until its length is known, or to its end.
    head: Vec<u8>,
    /// Bytes of the viewer's present message that follow its head, and whether they go on.
    left: (u64, bool),
}

/// Where the server's side of the handshake stands.
#[derive(Debug)]
enum Server {
    /// Its greeting, so far.
    Version(usize),
    /// Its list of ways to sign in, or with 3.3 its choice.
    Security(Vec<u8>),
    /// Nothing that matters here.
    Rest,
}

/// Where the viewer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Viewer {
    Version,
    /// Choosing a way to sign in.
    Security,
    /// Answering the challenge.
    Challenge,
    /// Whether it shares the screen.
    Init,
    Messages,
}

/// What becomes of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Keep,
    Drop,
    /// The list of encodings, which is read.
    Encodings,
    /// The format of pixels, which is read.
    Pixels,
}

/// One unit of the viewer's: its whole length, what becomes of it, whether the person did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Unit {
    bytes: u64,
    fate: Fate,
    input: bool,
}

impl Rfb {
    /// A conversation that is about to begin.
    #[must_use]
    pub fn new(rights: Rights) -> Self {
        Self {
            rights,
            minor: None,
            server: Server::Version(0),
            down: (!rights.may_copy()).then(Down::default),
            viewer: Viewer::Version,
            asked: false,
            extended_pointer: false,
            head: Vec::new(),
            left: (0, true),
        }
    }

    /// Takes bytes of the server and answers those that the viewer gets.
    ///
    /// # Errors
    /// [`RfbError::Security`] where no way to sign in is left, [`RfbError::Server`] where the server cannot be followed
    /// and has to be.
    pub fn pass_down(&mut self, bytes: Bytes) -> Result<Bytes, RfbError> {
        if matches!(self.server, Server::Rest) {
            return match &mut self.down {
                Some(down) => down.pass(&bytes),
                None => Ok(bytes),
            };
        }
        let mut out = BytesMut::with_capacity(bytes.len());
        for (at, byte) in bytes.iter().enumerate() {
            match &mut self.server {
                Server::Version(seen) => {
                    out.extend_from_slice(&[*byte]);
                    *seen += 1;
                    if *seen == VERSION_BYTES {
                        self.server = Server::Security(Vec::new());
                    }
                }
                Server::Security(list) => {
                    list.push(*byte);
                    if let Some(answer) = offered(self.minor.unwrap_or(8), list)? {
                        let refused = if self.minor == Some(3) { list[3] == 0 } else { list[0] == 0 };
                        let chosen = list.get(3).copied().filter(|_| self.minor == Some(3));
                        if let Some(way) = chosen {
                            self.viewer = if way == VNC_AUTH { Viewer::Challenge } else { Viewer::Init };
                        }
                        if let Some(down) = &mut self.down {
                            match chosen {
                                _ if refused => down.refused(),
                                Some(way) => down.chosen(way, 3),
                                None => {}
                            }
                        }
                        out.extend_from_slice(&answer);
                        self.server = Server::Rest;
                    }
                }
                Server::Rest => {
                    let rest = bytes.slice(at..);
                    match &mut self.down {
                        Some(down) => out.extend_from_slice(&down.pass(&rest)?),
                        None => out.extend_from_slice(&rest),
                    }
                    break;
                }
            }
        }
        Ok(out.freeze())
    }

    /// Takes bytes of the viewer, appends those that the server gets to `out`, and answers how often the person did
    /// something.
    ///
    /// # Errors
    /// [`RfbError`]: the conversation cannot be followed any more.
    pub fn pass_up(&mut self, mut bytes: &[u8], out: &mut BytesMut) -> Result<u64, RfbError> {
        let mut inputs = 0;
        while !bytes.is_empty() {
            if self.left.0 > 0 {
                let now = usize::try_from(self.left.0).unwrap_or(usize::MAX).min(bytes.len());
                if self.left.1 {
                    out.extend_from_slice(&bytes[..now]);
                }
                self.left.0 -= now as u64;
                bytes = &bytes[now..];
                continue;
            }
            self.head.push(bytes[0]);
            bytes = &bytes[1..];
            let Some(unit) = self.unit()? else { continue };
            let have = self.head.len() as u64;
            if matches!(unit.fate, Fate::Encodings | Fate::Pixels) && have < unit.bytes {
                continue;
            }
            self.advance();
            match unit.fate {
                Fate::Pixels => {
                    self.set_pixels()?;
                    out.extend_from_slice(&self.head);
                }
                Fate::Keep => out.extend_from_slice(&self.head),
                Fate::Encodings => self.announce(out),
                Fate::Drop => {}
            }
            self.left = (unit.bytes - have, unit.fate != Fate::Drop);
            self.head.clear();
            inputs += u64::from(unit.input);
        }
        Ok(inputs)
    }

    /// The unit that `head` begins; `None` until enough of it is there.
    fn unit(&self) -> Result<Option<Unit>, RfbError> {
        let handshake = |bytes: u64| Unit { bytes, fate: Fate::Keep, input: false };
        Ok(match self.viewer {
            Viewer::Version if self.head.len() < VERSION_BYTES => None,
            Viewer::Version => minor(&self.head)?.map(|_| handshake(VERSION_BYTES as u64)),
            Viewer::Security if [NONE, VNC_AUTH].contains(&self.head[0]) => Some(handshake(1)),
            Viewer::Security => return Err(RfbError::Security),
            Viewer::Challenge => Some(handshake(CHALLENGE_BYTES)),
            Viewer::Init => Some(handshake(1)),
            Viewer::Messages => self.message()?,
        })
    }

    /// Where the viewer stands once the unit in `head` has been taken.
    fn advance(&mut self) {
        match (self.viewer, self.head[0], &mut self.down) {
            (Viewer::Security, way, Some(down)) => down.chosen(way, self.minor.unwrap_or(8)),
            (Viewer::Messages, 3 | 150, _) => self.asked = true,
            _ => {}
        }
        self.viewer = match self.viewer {
            Viewer::Version => {
                self.minor = minor(&self.head).ok().flatten();
                // With 3.3 the server decides, and says so to the viewer; see `pass_down`.
                Viewer::Security
            }
            Viewer::Security if self.head[0] == VNC_AUTH => Viewer::Challenge,
            Viewer::Security | Viewer::Challenge => Viewer::Init,
            Viewer::Init | Viewer::Messages => Viewer::Messages,
        };
    }

    /// A message after the handshake. Source: RFC 6143 and the community's protocol description.
    fn message(&self) -> Result<Option<Unit>, RfbError> {
        let head = &self.head[..];
        let kind = head[0];
        let keep = |bytes: u64| Some(Unit { bytes, fate: Fate::Keep, input: false });
        // What changes the session is dropped for those who only look on.
        let input = |bytes: u64, counts: bool| {
            let fate = if self.rights.input { Fate::Keep } else { Fate::Drop };
            Some(Unit { bytes, fate, input: counts && fate == Fate::Keep })
        };
        Ok(match kind {
            0 => Some(Unit { bytes: 20, fate: Fate::Pixels, input: false }),
            // FramebufferUpdateRequest, EnableContinuousUpdates
            3 | 150 => keep(10),
            2 => self.encodings()?,
            // KeyEvent, PointerEvent
            4 => input(8, true),
            5 => head.get(1).and_then(|mask| input(pointer_bytes(self.extended_pointer, *mask), true)),
            6 => self.cut_text()?,
            // ClientFence
            248 => head.get(8).and_then(|length| keep(9 + u64::from(*length))),
            // xvp: shut down, restart
            250 => input(4, true),
            // SetDesktopSize: viewers send it by themselves when their window changes
            251 => head.get(6).and_then(|screens| input(8 + 16 * u64::from(*screens), false)),
            // gii: its low bits say what it is, the highest the order of its bytes; 0 is an event
            252 => be16(head, 2).zip(head.get(1)).and_then(|(length, what)| {
                let length = if what & 0x80 == 0 { length.swap_bytes() } else { length };
                input(4 + u64::from(length), what.trailing_zeros() >= 7)
            }),
            // QEMU: a key with its scan code, or audio
            255 => match head.get(1) {
                None => None,
                Some(0) => input(12, true),
                Some(1) => match be16(head, 2) {
                    None => None,
                    Some(0 | 1) => keep(4),
                    Some(2) => keep(10),
                    Some(_) => return Err(RfbError::Malformed(kind)),
                },
                Some(_) => return Err(RfbError::Malformed(kind)),
            },
            other => return Err(RfbError::Message(other)),
        })
    }

    fn encodings(&self) -> Result<Option<Unit>, RfbError> {
        match be16(&self.head, 2) {
            Some(count) if usize::from(count) > MOST_ENCODINGS => Err(RfbError::Malformed(2)),
            Some(count) => Ok(Some(Unit { bytes: 4 + 4 * u64::from(count), fate: Fate::Encodings, input: false })),
            None => Ok(None),
        }
    }

    /// ClientCutText: text with its length, or, where the length is negative, a message of the extended clipboard.
    fn cut_text(&self) -> Result<Option<Unit>, RfbError> {
        let Some(length) = be32(&self.head, 4).map(u32::cast_signed) else { return Ok(None) };
        let fate = if self.rights.may_copy() { Fate::Keep } else { Fate::Drop };
        let unit = |copied: bool| Unit {
            bytes: 8 + u64::from(length.unsigned_abs()),
            fate,
            input: copied && fate == Fate::Keep,
        };
        match length {
            0.. => Ok(Some(unit(true))),
            -3..0 => Err(RfbError::Malformed(6)),
            _ => {
                Ok(be32(&self.head, 8)
                    .map(|flags| unit(flags & (CLIPBOARD_CAPS | CLIPBOARD_NOTIFY) == CLIPBOARD_NOTIFY)))
            }
        }
    }

    /// Takes in how many bits a pixel has from now on. Where pictures have to be measured that is settled before the
    /// first one is asked for: one that is under way is of the old format, and nothing says so.
    fn set_pixels(&mut self) -> Result<(), RfbError> {
        let Some(down) = &mut self.down else { return Ok(()) };
        if down.set_pixel_bits(self.head[4]) && self.asked { Err(RfbError::Malformed(0)) } else { Ok(()) }
    }

    /// Passes the list of encodings on; where there is to be no clipboard, without the extended one and without what
    /// would hide a message of the plain one.
    fn announce(&mut self, out: &mut BytesMut) {
        let announced = self.head[4..].chunks_exact(4);
        let announced = announced.map(|four| i32::from_be_bytes([four[0], four[1], four[2], four[3]]));
        let all = self.rights.may_copy();
        let kept: Vec<i32> = announced.filter(|encoding| all || is_measured(*encoding)).collect();
        self.extended_pointer = kept.contains(&EXTENDED_MOUSE_BUTTONS);
        out.extend_from_slice(&[2, 0]);
        out.extend_from_slice(&u16::try_from(kept.len()).unwrap_or(u16::MAX).to_be_bytes());
        for encoding in kept {
            out.extend_from_slice(&encoding.to_be_bytes());
        }
    }
}

/// What the viewer is told of the ways to sign in, once `list` is complete: those that can be followed.
fn offered(minor: u8, list: &[u8]) -> Result<Option<Vec<u8>>, RfbError> {
    if minor == 3 {
        return match list {
            // 0: refused, with a reason
            [0, 0, 0, 0 | NONE | VNC_AUTH] => Ok(Some(list.to_vec())),
            [_, _, _, _] => Err(RfbError::Security),
            _ => Ok(None),
        };
    }
    let count = usize::from(list[0]);
    if count == 0 {
        return Ok(Some(vec![0]));
    }
    if list.len() <= count {
        return Ok(None);
    }
    let known: Vec<u8> = list[1..].iter().copied().filter(|way| [NONE, VNC_AUTH].contains(way)).collect();
    match u8::try_from(known.len()) {
        Ok(count @ 1..) => Ok(Some([vec![count], known].concat())),
        _ => Err(RfbError::Security),
    }
}

/// The minor version in a viewer's greeting: 3, 7 or 8; what lies between counts as the lower one.
fn minor(greeting: &[u8]) -> Result<Option<u8>, RfbError> {
    let text = greeting.strip_prefix(b"RFB 003.").and_then(|rest| rest.strip_suffix(b"\n"));
    let number = text.and_then(|digits| std::str::from_utf8(digits).ok()).and_then(|digits| digits.parse().ok());
    match number {
        Some(0..7_u16) => Ok(Some(3)),
        Some(7) => Ok(Some(7)),
        Some(_) => Ok(Some(8)),
        None => Err(RfbError::Version),
    }
}

/// Bytes of a PointerEvent: one more where the viewer knows nine buttons and says so in the mask's highest bit.
const fn pointer_bytes(extended: bool, mask: u8) -> u64 {
    if extended && mask & 0x80 != 0 { 7 } else { 6 }
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2).map(|two| u16::from_be_bytes([two[0], two[1]]))
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4).map(|four| u32::from_be_bytes([four[0], four[1], four[2], four[3]]))
}

#[cfg(test)]
mod tests;
