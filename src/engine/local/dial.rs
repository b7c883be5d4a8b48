//! Connections into a sandbox.

use std::{
    io::{self, IoSliceMut},
    mem::MaybeUninit,
    net::SocketAddr,
    os::fd::OwnedFd,
    path::Path,
    time::Duration,
};

use rustix::{
    io::Errno,
    net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketType, sockopt},
};
use tokio::{
    io::{AsyncWriteExt, Interest},
    net::{TcpStream, UnixStream},
};

/// Longest that a connection may take.
const DEADLINE: Duration = Duration::from_secs(5);

/// Asks the init process behind the socket at `path` for a connection to `port`.
pub(super) async fn dial(path: &Path, port: u16) -> io::Result<TcpStream> {
    tokio::time::timeout(DEADLINE, async {
        let mut stream = UnixStream::connect(path).await?;
        stream.write_all(&port.to_be_bytes()).await?;
        let socket = stream.async_io(Interest::READABLE, || receive(&stream)).await?;
        let connection = TcpStream::from_std(check(socket, port)?)?;
        // It may still be under way, if the program is slow to accept.
        connection.writable().await?;
        connection.take_error()?.map_or(Ok(()), Err)?;
        connection.set_nodelay(true)?;
        Ok(connection)
    })
    .await
    .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// The answer: a byte 0 and a socket, or an error number.
fn receive(stream: &UnixStream) -> io::Result<OwnedFd> {
    let mut status = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut extra = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let length = rustix::net::recvmsg(stream, &mut [IoSliceMut::new(&mut status)], &mut extra, flags)?.bytes;
    let socket = extra.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    match (length, status, socket) {
        (0, _, _) => Err(io::ErrorKind::UnexpectedEof.into()),
        (_, [0], Some(socket)) => Ok(socket),
        (_, [error], _) => Err(Errno::from_raw_os_error(i32::from(error)).into()),
    }
}

/// What comes out of a sandbox is believed only as far as it can be checked: a TCP socket whose other end is `port` on
/// the loopback address of its network.
fn check(socket: OwnedFd, port: u16) -> io::Result<std::net::TcpStream> {
    let kind = sockopt::socket_type(&socket)?;
    let protocol = sockopt::socket_protocol(&socket)?;
    let stream = std::net::TcpStream::from(socket);
    let right = |peer: SocketAddr| peer.ip().is_loopback() && peer.port() == port;
    let peer = stream.peer_addr();
    // Without a peer the connection is not there yet; a loopback address of ours is then all there is to see.
    let placed = peer.map_or_else(|_| stream.local_addr().is_ok_and(|own| own.ip().is_loopback()), right);
    if kind != SocketType::STREAM || protocol != Some(rustix::net::ipproto::TCP) || !placed {
        return Err(io::Error::other("the sandbox answered with something that is no connection to the program"));
    }
    stream.set_nonblocking(true)?;
    Ok(stream)
}
