//! The floor of a fan-out: one thread that writes what is posted to every socket, and nothing else.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
};

use crate::{Outcome, message};

/// Serves until it is killed. `POST` is told to everybody who came with `GET`.
pub fn run(port: u16) -> Outcome {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    println!("ready");
    let mut readers: Vec<TcpStream> = Vec::new();
    loop {
        let (mut stream, _) = listener.accept()?;
        let head = read_head(&mut stream)?;
        if head.0.starts_with(b"GET") {
            stream
                .write_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            readers.push(stream);
        } else {
            publish(stream, head, &mut readers)?;
        }
    }
}

/// The head, and what was read beyond it.
fn read_head(stream: &mut TcpStream) -> Outcome<(Vec<u8>, Vec<u8>)> {
    let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
    loop {
        if let Some(end) = message::end_of_head(&bytes) {
            let rest = bytes.split_off(end);
            return Ok((bytes, rest));
        }
        match stream.read(&mut part)? {
            0 => return Ok((bytes, Vec::new())),
            read => bytes.extend_from_slice(&part[..read]),
        }
    }
}

/// Tells what is posted on one connection until it is closed.
fn publish(mut stream: TcpStream, first: (Vec<u8>, Vec<u8>), readers: &mut Vec<TcpStream>) -> Outcome {
    let (mut head, mut body) = first;
    while !head.is_empty() {
        let length = message::body_length(&head);
        let mut missing = vec![0; length.saturating_sub(body.len())];
        stream.read_exact(&mut missing)?;
        body.extend(missing);
        let rest = body.split_off(length);
        let frame = frame(&body);
        // A reader that is gone or takes no more is dropped: there is no outbox here.
        readers.retain(|mut reader| reader.write(&frame).is_ok_and(|sent| sent == frame.len()));
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?;
        if message::end_of_head(&rest).is_some() {
            return Err("requests are not to be pipelined".into());
        }
        (head, body) = read_head(&mut stream)?;
    }
    Ok(())
}

fn frame(payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap_or(u16::MAX);
    match u8::try_from(length) {
        Ok(short) if short < 126 => [&[0x81, short], payload].concat(),
        _ => [&[0x81, 126][..], &length.to_be_bytes(), payload].concat(),
    }
}
