//! Many WebSockets that listen, and what reaches them.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines, Stdin},
    net::TcpStream,
    sync::Semaphore,
    task::JoinSet,
};

use crate::{Outcome, message, publish::Plan, spread::Spread};

/// Sockets that are opened at once.
const AT_ONCE: usize = 64;
/// Longest wait for the last message after the last was published.
const SETTLE: Duration = Duration::from_secs(20);

/// What is spoken over the frames.
#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    /// Messages as they are.
    Plain,
    /// socket.io over engine.io 4.
    SocketIo,
}

impl Kind {
    /// `plain` or `socket.io`.
    pub fn parse(word: &str) -> Outcome<Self> {
        match word {
            "plain" => Ok(Self::Plain),
            "socket.io" => Ok(Self::SocketIo),
            _ => Err(format!("{word} is neither plain nor socket.io").into()),
        }
    }
}

/// What all sockets have heard.
#[derive(Default)]
struct Heard {
    deliveries: Cell<u64>,
    bytes: Cell<u64>,
    spread: RefCell<Spread>,
    /// How many sockets have heard the newest message of a publisher, by publisher and number.
    reached: RefCell<Vec<Vec<u32>>>,
    lost: Cell<u32>,
}

/// Opens `count` sockets and says `open`. A line on standard input lets it publish; the next one closes the sockets,
/// which it answers with `closed`; it ends with the input.
pub async fn run(address: SocketAddr, count: usize, kind: Kind, requests: Vec<Vec<u8>>, plan: Option<Plan>) -> Outcome {
    let heard = Rc::new(Heard::default());
    let sent = plan.as_ref().map(|plan| Rc::clone(&plan.sent)).unwrap_or_default();
    let doors = Rc::new(Semaphore::new(AT_ONCE));
    let (opened, mut readers) = (Rc::new(Cell::new(0)), JoinSet::new());
    for index in 0..count {
        let reader = Reader { kind, heard: Rc::clone(&heard), sent: Rc::clone(&sent), last: Vec::new() };
        let (doors, opened) = (Rc::clone(&doors), Rc::clone(&opened));
        let request = requests[index % requests.len()].clone();
        readers.spawn_local(async move {
            let heard = Rc::clone(&reader.heard);
            if let Err(error) = reader.run(address, &request, &doors, &opened).await {
                eprintln!("load: a socket ended: {error}");
            }
            heard.lost.set(heard.lost.get() + 1);
        });
    }
    while opened.get() < count {
        if heard.lost.get() > 0 {
            return Err("a socket could not be opened".into());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    println!("open");
    let mut orders = BufReader::new(tokio::io::stdin()).lines();
    if let Some(plan) = plan {
        orders.next_line().await?;
        measure(address, count, &plan, &heard).await?;
    }
    orders.next_line().await?;
    readers.shutdown().await;
    println!("closed");
    wait_for_end(orders).await
}

async fn wait_for_end(mut orders: Lines<BufReader<Stdin>>) -> Outcome {
    while orders.next_line().await?.is_some() {}
    Ok(())
}

/// Publishes, waits until everybody has heard the last of each publisher, and tells what came of it.
async fn measure(address: SocketAddr, count: usize, plan: &Plan, heard: &Heard) -> Outcome {
    let began = Instant::now();
    plan.run(address).await?;
    let published = began.elapsed();
    let ends: Vec<usize> = plan.sent.borrow().iter().map(Vec::len).collect();
    let missing = || {
        let reached = heard.reached.borrow();
        let of = |(own, end): (usize, &usize)| {
            let at = reached.get(own).and_then(|numbers| numbers.get(end.checked_sub(1)?)).copied().unwrap_or(0);
            count - at as usize
        };
        ends.iter().enumerate().map(of).sum::<usize>()
    };
    let over = Instant::now();
    while missing() > 0 && over.elapsed() < SETTLE {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    println!(
        "{{\"published\":{},\"seconds\":{},\"settled_ms\":{},\"missing\":{},\"lost\":{},\"deliveries\":{},\"bytes\":{},{}}}",
        ends.iter().sum::<usize>(),
        published.as_secs_f64(),
        over.elapsed().as_millis(),
        missing(),
        heard.lost.get(),
        heard.deliveries.get(),
        heard.bytes.get(),
        heard.spread.take().fields(),
    );
    Ok(())
}

/// One socket.
struct Reader {
    kind: Kind,
    heard: Rc<Heard>,
    sent: Rc<RefCell<Vec<Vec<Instant>>>>,
    /// The newest number of each publisher that it has heard.
    last: Vec<Option<usize>>,
}

impl Reader {
    async fn run(mut self, address: SocketAddr, request: &[u8], doors: &Semaphore, opened: &Cell<usize>) -> Outcome {
        let door = doors.acquire().await?;
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        stream.write_all(request).await?;
        let mut bytes = Vec::new();
        let head = loop {
            match message::end_of_head(&bytes) {
                Some(end) => break end,
                None if stream.read_buf(&mut bytes).await? == 0 => return Err("hung up".into()),
                None => {}
            }
        };
        if message::status(&bytes) != Some(101) {
            return Err(format!("refused: {}", String::from_utf8_lossy(&bytes)).into());
        }
        bytes.drain(..head);
        opened.set(opened.get() + 1);
        drop(door);
        loop {
            self.take(&mut stream, &mut bytes).await?;
            if bytes.is_empty() {
                // Ten thousand buffers are not to be what fills this process.
                bytes = Vec::new();
                stream.readable().await?;
            }
            match stream.try_read_buf(&mut bytes) {
                Ok(0) => return Err("the server hung up".into()),
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => stream.readable().await?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Takes in the frames that are whole.
    async fn take(&mut self, stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Outcome {
        let mut at = 0;
        while let Some((first, begin, end)) = message::frame(&bytes[at..]) {
            let payload = &bytes[at + begin..at + end];
            match (first & 0x0F, self.kind) {
                (1, Kind::SocketIo) if payload == b"2" => stream.write_all(&message::masked(0x81, b"3")).await?,
                (1, Kind::SocketIo) if payload.starts_with(b"0{") => {
                    stream.write_all(&message::masked(0x81, b"40")).await?;
                }
                (1, _) => self.hear(payload, end),
                (9, _) => stream.write_all(&message::masked(0x8A, payload)).await?,
                (8, _) => return Err(format!("closed: {}", String::from_utf8_lossy(payload)).into()),
                _ => {}
            }
            at += end;
        }
        bytes.drain(..at);
        Ok(())
    }

    fn hear(&mut self, payload: &[u8], length: usize) {
        let Some((own, number)) = message::mark(payload) else { return };
        let Some(sent) = self.sent.borrow().get(own).and_then(|times| times.get(number).copied()) else { return };
        let heard = &self.heard;
        heard.deliveries.set(heard.deliveries.get() + 1);
        heard.bytes.set(heard.bytes.get() + length as u64);
        if self.last.len() <= own {
            self.last.resize(own + 1, None);
        }
        if self.last[own].is_none_or(|last| last < number) {
            self.last[own] = Some(number);
            heard.spread.borrow_mut().add(sent.elapsed());
            let mut reached = heard.reached.borrow_mut();
            if reached.len() <= own {
                reached.resize(own + 1, Vec::new());
            }
            if reached[own].len() <= number {
                reached[own].resize(number + 1, 0);
            }
            reached[own][number] += 1;
        }
    }
}
