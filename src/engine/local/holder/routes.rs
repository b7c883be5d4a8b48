//! Routes by netlink: the one request that is needed.

use std::{io, net::IpAddr, os::fd::OwnedFd};

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

const RTM_NEWROUTE: u16 = 24;
/// `NLM_F_REQUEST | NLM_F_ACK | NLM_F_REPLACE | NLM_F_CREATE`
const FLAGS: u16 = 0x1 | 0x4 | 0x100 | 0x400;
const NLMSG_ERROR: u16 = 2;
const HEADER_BYTES: usize = 16;
const RT_TABLE_MAIN: u8 = 254;
const RTPROT_STATIC: u8 = 4;
const RTN_UNREACHABLE: u8 = 7;
const RTA_DST: u16 = 1;

/// A netlink socket of the present network namespace.
#[derive(Debug)]
pub(super) struct Routes {
    socket: OwnedFd,
    sequence: u32,
}

impl Routes {
    pub(super) fn open() -> io::Result<Self> {
        // `None` is `NETLINK_ROUTE`.
        let socket = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Makes `address/bits` unreachable.
    pub(super) fn refuse(&mut self, address: IpAddr, bits: u8) -> io::Result<()> {
        self.sequence += 1;
        let request = unreachable(address, bits, self.sequence);
        rustix::net::send(&self.socket, &request, SendFlags::empty())?;
        let mut answer = [0; 1024];
        let (length, _) = rustix::net::recv(&self.socket, &mut answer, RecvFlags::empty())?;
        match result(&answer[..length]) {
            Some(0) => Ok(()),
            Some(error) => Err(io::Error::from_raw_os_error(-error)),
            None => Err(io::Error::other("the kernel's answer about a route was not understood")),
        }
    }
}

/// The request, as `rtnetlink(7)` describes it: `nlmsghdr`, `rtmsg`, attributes.
fn unreachable(address: IpAddr, bits: u8, sequence: u32) -> Vec<u8> {
    let (family, octets) = match address {
        IpAddr::V4(address) => (AddressFamily::INET, address.octets().to_vec()),
        IpAddr::V6(address) => (AddressFamily::INET6, address.octets().to_vec()),
    };
    let family = u8::try_from(family.as_raw()).unwrap_or_default();
    let mut body = vec![family, bits, 0, 0, RT_TABLE_MAIN, RTPROT_STATIC, 0, RTN_UNREACHABLE, 0, 0, 0, 0];
    if bits > 0 {
        attribute(&mut body, RTA_DST, &octets);
    }
    let mut request = Vec::with_capacity(HEADER_BYTES + body.len());
    request.extend(u32::try_from(HEADER_BYTES + body.len()).unwrap_or_default().to_ne_bytes());
    request.extend(RTM_NEWROUTE.to_ne_bytes());
    request.extend(FLAGS.to_ne_bytes());
    request.extend(sequence.to_ne_bytes());
    request.extend(0_u32.to_ne_bytes());
    request.extend(body);
    request
}

/// Appends an attribute; those used here have lengths that need no padding.
fn attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    body.extend(u16::try_from(4 + value.len()).unwrap_or_default().to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend(value);
}

/// The error number of an acknowledgement: 0 is success.
fn result(answer: &[u8]) -> Option<i32> {
    let kind = u16::from_ne_bytes(answer.get(4..6)?.try_into().ok()?);
    let error = i32::from_ne_bytes(answer.get(HEADER_BYTES..HEADER_BYTES + 4)?.try_into().ok()?);
    (kind == NLMSG_ERROR).then_some(error)
}
