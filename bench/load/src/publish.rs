//! Those who publish: each posts marked messages at a steady rate, one after the other.

use std::{
    cell::RefCell,
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::{io::AsyncWriteExt, net::TcpStream, task::JoinSet};

use crate::{Outcome, http};

/// What is published. A request holds `~PP~NNNNNN~`, where publisher and number are filled in.
pub struct Plan {
    requests: Vec<Vec<u8>>,
    /// Messages a second, of all publishers together.
    rate: f64,
    seconds: f64,
    /// When each message was sent, by publisher and number.
    pub sent: Rc<RefCell<Vec<Vec<Instant>>>>,
}

impl Plan {
    /// One publisher for each request.
    pub fn new(requests: Vec<Vec<u8>>, rate: f64, seconds: f64) -> Self {
        let sent = Rc::new(RefCell::new(vec![Vec::new(); requests.len()]));
        Self { requests, rate, seconds, sent }
    }

    /// Publishes until the time is over.
    pub async fn run(&self, address: SocketAddr) -> Outcome {
        let pause = Duration::from_secs_f64(self.requests.len() as f64 / self.rate);
        let until = Instant::now() + Duration::from_secs_f64(self.seconds);
        let mut publishers = JoinSet::new();
        for (own, request) in self.requests.iter().cloned().enumerate() {
            let sent = Rc::clone(&self.sent);
            // Not all in the same moment.
            let first = Instant::now() + pause.mul_f64(own as f64 / self.requests.len() as f64);
            publishers.spawn_local(async move {
                let publisher = Publisher { own, request, sent };
                publisher.run(address, (first, pause, until)).await.map_err(|error| error.to_string())
            });
        }
        while let Some(joined) = publishers.join_next().await {
            joined??;
        }
        Ok(())
    }
}

struct Publisher {
    own: usize,
    request: Vec<u8>,
    sent: Rc<RefCell<Vec<Vec<Instant>>>>,
}

impl Publisher {
    async fn run(mut self, address: SocketAddr, (first, pause, until): (Instant, Duration, Instant)) -> Outcome {
        let at = self.request.iter().position(|byte| *byte == b'~').ok_or("a request without a mark")?;
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (mut next, mut number, mut answer) = (first, 0, Vec::new());
        while next < until {
            tokio::time::sleep_until(next.into()).await;
            let mark = format!("~{:02}~{number:06}~", self.own);
            self.request[at..at + mark.len()].copy_from_slice(mark.as_bytes());
            self.sent.borrow_mut()[self.own].push(Instant::now());
            stream.write_all(&self.request).await?;
            http::read_answer(&mut stream, &mut answer).await?;
            number += 1;
            // What a slow answer has cost is not made up for.
            next = (next + pause).max(Instant::now());
        }
        Ok(())
    }
}
