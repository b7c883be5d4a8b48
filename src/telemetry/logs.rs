//! The log: one JSON object a line, or lines for a person at a terminal.
//!
//! Every line can be read alone: it carries its own fields and those of the spans it happened in, side by side.
//! Names are dotted and end in their unit (`duration_ms`); see `docs/logging.md`.

use std::{
    fmt::Debug,
    io::{IsTerminal, Write},
    sync::{Arc, OnceLock},
};

use serde_json::{Map, Value};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    EnvFilter, Layer,
    layer::{Context, SubscriberExt},
    registry::{LookupSpan, Registry, Scope},
    reload,
    util::SubscriberInitExt,
};

use crate::{clock::Clock, config::LogFormat};

/// Why the log cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// `LOG_LEVEL` makes no sense.
    #[error("LOG_LEVEL={level}: {source} (a level such as `info`, or `warn,streamspace=debug`)")]
    Level {
        /// What was configured.
        level: String,
        /// Why.
        source: tracing_subscriber::filter::ParseError,
    },
    /// It was begun before.
    #[error(transparent)]
    Begun(#[from] tracing_subscriber::util::TryInitError),
    /// It is no more.
    #[error(transparent)]
    Gone(#[from] reload::Error),
}

/// Crates that tell more than anybody asked: at `info`, and, in the client of the database, the parameters of every query,
/// which hold secrets. A directive of the configuration for the same crate wins.
const QUIET: &str = "actix_server=warn,refinery_core=warn,tokio_postgres=warn";

/// What decides which lines are written, once the log has begun.
static FILTER: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

fn filter(level: &str) -> Result<EnvFilter, LogError> {
    EnvFilter::try_new(format!("{QUIET},{level}")).map_err(|source| LogError::Level { level: level.to_owned(), source })
}

/// Whether `level` makes sense.
///
/// # Errors
/// [`LogError::Level`].
pub fn check(level: &str) -> Result<(), LogError> {
    filter(level).map(drop)
}

/// Has the log write what is of that level from now on; nothing where it has not begun.
///
/// # Errors
/// [`LogError`] for a level that makes no sense.
pub fn set_level(level: &str) -> Result<(), LogError> {
    let filter = filter(level)?;
    FILTER.get().map_or(Ok(()), |handle| handle.reload(filter))?;
    Ok(())
}

/// Begins the log on standard error; once per process.
///
/// # Errors
/// [`LogError`] for a level that makes no sense.
pub fn start(level: &str, format: LogFormat, clock: Arc<dyn Clock>) -> Result<(), LogError> {
    let (filter, handle) = reload::Layer::new(filter(level)?);
    let registry = tracing_subscriber::registry().with(filter);
    let person = match format {
        LogFormat::Auto => std::io::stderr().is_terminal(),
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    if person {
        registry.with(tracing_subscriber::fmt::layer().with_target(false).with_writer(std::io::stderr)).try_init()?;
    } else {
        registry.with(JsonLines { clock, out: std::io::stderr }).try_init()?;
    }
    // Whoever begins it twice was refused above.
    FILTER.get_or_init(|| handle);
    Ok(())
}

/// Writes an event as one JSON object with the fields of its spans beside its own.
struct JsonLines<W> {
    clock: Arc<dyn Clock>,
    out: W,
}

/// A span's fields, kept with the span.
struct SpanFields(Map<String, Value>);

impl<S, W, O> Layer<S> for JsonLines<W>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: Fn() -> O + 'static,
    O: Write,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Map::new();
        attributes.record(&mut Fields(&mut fields));
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(SpanFields(fields));
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(SpanFields(fields)) = span.extensions_mut().get_mut()
        {
            values.record(&mut Fields(fields));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Map::new();
        for span in context.event_scope(event).into_iter().flat_map(Scope::from_root) {
            if let Some(SpanFields(inherited)) = span.extensions().get() {
                fields.extend(inherited.iter().map(|(name, value)| (name.clone(), value.clone())));
            }
        }
        event.record(&mut Fields(&mut fields));
        let line = self.line(event, fields);
        // Nobody is left to tell when the log itself cannot be written.
        let _ = (self.out)().write_all(line.as_bytes());
    }
}

impl<W> JsonLines<W> {
    /// One line; what people look for first stands first.
    fn line(&self, event: &Event<'_>, mut fields: Map<String, Value>) -> String {
        let metadata = event.metadata();
        // Crates that write with `log` have their own target in a field, beside the paths of their sources.
        let target = fields.remove("log.target").unwrap_or_else(|| metadata.target().into());
        let message = fields.remove("message").unwrap_or_default();
        fields.retain(|name, _| !name.starts_with("log."));
        let rest = Value::Object(fields).to_string();
        format!(
            "{{\"timestamp\":\"{}\",\"level\":\"{}\",\"target\":{target},\"message\":{message}{}{}\n",
            self.clock.now(),
            metadata.level(),
            if rest == "{}" { "" } else { "," },
            &rest[1..],
        )
    }
}

/// Takes fields down as JSON values.
struct Fields<'a>(&'a mut Map<String, Value>);

impl Fields<'_> {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, chain(value));
    }
}

/// An error with its causes, outermost first, each once.
#[must_use]
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        let words = source.to_string();
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = source.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::clock::SystemClock;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_carries_the_fields_of_its_spans_and_can_be_read_alone() {
        let lines = Lines::default();
        let out = lines.clone();
        let layer = JsonLines { clock: SystemClock::shared(), out: move || out.clone() };
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let _request = tracing::info_span!("request", correlation_id = "r-1").entered();
            tracing::warn!(session.id = "s1", duration_ms = 7_u64, "slow");
        });
        let written = lines.0.lock().unwrap().clone();
        let line: Value = serde_json::from_slice(&written).unwrap();
        assert_eq!(written.iter().position(|byte| *byte == b'\n'), Some(written.len() - 1));
        assert_eq!(
            (&line["correlation_id"], &line["session.id"], &line["duration_ms"], &line["message"], &line["level"]),
            (&"r-1".into(), &"s1".into(), &7.into(), &"slow".into(), &"WARN".into())
        );
    }

    #[test]
    fn an_error_is_written_with_its_causes() {
        let inner = std::io::Error::other("connection refused");
        let error = crate::Error::internal(inner);
        assert_eq!(chain(&error), "something went wrong on our side: connection refused");
    }
}
