//! Live figures about sessions, which one replica measures and all of them tell.
//!
//! They are not kept: whoever misses one gets the next, and `GET /api/v1/activity` has the latest.

use deadpool_postgres::GenericClient;
use serde_json::Value;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio_util::sync::CancellationToken;

use crate::{
    Error,
    live::Hub,
    store::{self, FIGURES, Listener},
};

/// Bytes that an announcement may have, with room for what joins figures (`NOTIFY` takes fewer than 8000).
const WORD_BYTES: usize = 7_900;

/// A figure: the name of the session, and the item that `GET /api/v1/activity` gives.
pub type Figure = (String, Value);

/// Sends figures to every replica, this one among them.
///
/// # Errors
/// Where the database does not answer.
pub async fn announce(db: &impl GenericClient, figures: &[Figure]) -> Result<(), Error> {
    store::announce(db, FIGURES, &pack(figures)).await
}

/// As few announcements as hold them; one figure that is too long for any is left out.
fn pack(figures: &[Figure]) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for text in figures.iter().filter_map(|figure| serde_json::to_string(figure).ok()) {
        match words.last_mut() {
            Some(word) if word.len() + text.len() < WORD_BYTES => {
                word.pop();
                word.push(',');
                word.push_str(&text);
                word.push(']');
            }
            _ if text.len() < WORD_BYTES => words.push(format!("[{text}]")),
            _ => tracing::warn!(bytes = text.len(), "a figure is too long to be told"),
        }
    }
    words
}

/// Tells the readers of this replica what any replica announces, until `stop`.
pub(in crate::live) async fn follow(hub: Hub, listener: Listener, stop: CancellationToken) {
    let mut words = listener.figures();
    tokio::select! {
        () = stop.cancelled() => {}
        () = hear(&hub, &mut words) => {}
    }
}

async fn hear(hub: &Hub, words: &mut Receiver<String>) {
    loop {
        match words.recv().await {
            Ok(word) => match serde_json::from_str::<Vec<Figure>>(&word) {
                Ok(figures) => {
                    for (session, figure) in &figures {
                        hub.activity(session, figure);
                    }
                }
                Err(error) => tracing::warn!(error = %error, "an announcement of figures cannot be read"),
            },
            // Newer figures follow.
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn figures_are_joined_into_announcements_that_postgresql_takes() {
        let figure = |number: usize| (format!("s{number}"), json!({ "cause": "é".repeat(number) }));
        let figures: Vec<Figure> = (0..500).map(figure).collect();
        let words = pack(&figures);
        assert!(words.len() < 60, "{}", words.len());
        assert!(words.iter().all(|word| word.len() < 8_000));
        let told: Vec<Figure> = words.iter().flat_map(|word| serde_json::from_str::<Vec<_>>(word).unwrap()).collect();
        assert_eq!(told, figures);
        assert!(pack(&[figure(8_000)]).is_empty());
    }
}
