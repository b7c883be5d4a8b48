//! What is asked of the kernel about a client's connection.

use std::os::fd::AsRawFd;

use nix::{
    ioctl_read_bad, libc, setsockopt_impl, sockopt_impl,
    sys::socket::{Shutdown, setsockopt, shutdown},
};
use tokio::net::TcpStream;

/// Bytes that the kernel takes for a client ahead of what it sends: what does not go out soon had better wait here,
/// where newer states take the place of older ones.
const AHEAD_BYTES: u32 = 128 * 1024;

sockopt_impl!(
    /// Bytes not sent yet from which on the kernel takes no more (tcp(7)).
    NotSentLowat, SetOnly, libc::IPPROTO_TCP, libc::TCP_NOTSENT_LOWAT, u32
);

/// Keeps what waits in the kernel short.
pub(super) fn keep_short(stream: &TcpStream) {
    if let Err(error) = setsockopt(stream, NotSentLowat, &AHEAD_BYTES) {
        tracing::debug!(error = %error, "the kernel keeps its own measure of what waits for a client");
    }
}

ioctl_read_bad!(siocoutq, libc::TIOCOUTQ, libc::c_int);

/// Bytes that the kernel took for the client and that it has not acknowledged.
#[allow(unsafe_code, reason = "there is no safe wrapper of this ioctl")]
pub(super) fn unacknowledged(stream: &TcpStream) -> u64 {
    let mut bytes = 0;
    // SAFETY: SIOCOUTQ (the same number as TIOCOUTQ) writes an int to where it is told, which is one that lives on.
    let asked = unsafe { siocoutq(stream.as_raw_fd(), &raw mut bytes) };
    asked.ok().and_then(|_| u64::try_from(bytes).ok()).unwrap_or_default()
}

/// Ends the connection in both directions, whatever waits.
pub(super) fn cut(stream: &TcpStream) {
    // It may be gone already; then this is what was wanted.
    let _ = shutdown(stream.as_raw_fd(), Shutdown::Both);
}
