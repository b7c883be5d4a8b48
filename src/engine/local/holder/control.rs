//! The holder's side of the talk with the server.

use std::{
    io::{self, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::{UnixListener, UnixStream},
    },
    path::Path,
};

use crate::engine::local::{
    files,
    wire::{Order, Status, line, take_lines},
};

/// More waiting bytes than this are no order.
const LONGEST_ORDER: usize = 64 * 1024;
/// More servers at once than this are none.
const MOST_CLIENTS: usize = 16;

#[derive(Debug)]
pub(super) struct Control {
    listener: UnixListener,
    clients: Vec<Client>,
}

#[derive(Debug)]
struct Client {
    stream: UnixStream,
    buffer: Vec<u8>,
    open: bool,
}

impl Control {
    /// Listens at `path`; `first` is the connection to the server that started this holder.
    pub(super) fn open(path: &Path, first: UnixStream) -> io::Result<Self> {
        first.set_nonblocking(true)?;
        let first = Client { stream: first, buffer: Vec::new(), open: true };
        Ok(Self { listener: files::listen(path)?, clients: vec![first] })
    }

    pub(super) fn listener(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }

    pub(super) fn clients(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.clients.iter().map(|client| client.stream.as_fd())
    }

    /// Takes a new server and tells it how things stand.
    pub(super) fn accept(&mut self, status: &Status) {
        let Ok((stream, _)) = self.listener.accept() else { return };
        if self.clients.len() < MOST_CLIENTS && stream.set_nonblocking(true).is_ok() {
            let mut client = Client { stream, buffer: Vec::new(), open: true };
            client.send(&line(status));
            self.clients.push(client);
        }
    }

    /// Tells everyone how things stand.
    pub(super) fn tell(&mut self, status: &Status) {
        let text = line(status);
        for client in &mut self.clients {
            client.send(&text);
        }
    }

    /// The whole orders that a server sent.
    pub(super) fn read(&mut self, client: usize) -> Vec<Order> {
        let Some(client) = self.clients.get_mut(client) else { return Vec::new() };
        let mut chunk = [0; 4096];
        match rustix::net::recv(&client.stream, &mut chunk, rustix::net::RecvFlags::DONTWAIT) {
            Ok((0, _)) => client.open = false,
            Ok((length, _)) => client.buffer.extend_from_slice(&chunk[..length]),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
            Err(_) => client.open = false,
        }
        let orders = take_lines(&mut client.buffer);
        client.open &= client.buffer.len() <= LONGEST_ORDER;
        orders
    }

    /// To be called when no index into the clients is held any more.
    pub(super) fn forget_closed(&mut self) {
        self.clients.retain(|client| client.open);
    }
}

impl Client {
    /// A server that does not take a few hundred bytes is stuck or gone; it may connect again.
    fn send(&mut self, text: &[u8]) {
        self.open &= self.stream.write_all(text).is_ok();
    }
}
