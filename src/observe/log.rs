//! The log: JSON lines for machines, one line of text for people. Times are UTC.
//!
//! ```text
//! {"ts":"2026-11-20T21:18:14.123Z","level":"INFO","target":"sipcluster::…","node":"SIPS_dc1_1","message":"…",…}
//! 2026-11-20T21:18:14.123 INFO  SIPS_dc1_1-001 Call Manager  trunk in service trunk=Trunk_SBC
//! ```
//!
//! `node` (the application) and `thread` (the guide's thread tag, "SIP Server logs in SIP Cluster mode") come from the
//! span of the module thread, see [`thread_span`], or from the event itself.

use std::fmt::{Debug, Write as _};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Span, Subscriber};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::reload;

use crate::base::time::WallTime;

/// Why there is no log as asked for.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A level or a directive that is none.
    #[error(
        "log level \"{level}\": write error, warn, info, debug or trace, or target=level parts with commas{reason}"
    )]
    Level {
        /// As given.
        level: String,
        /// What the parser says, with a colon before it; may be empty.
        reason: String,
    },
    /// The file cannot be written.
    #[error("log file {}: {error}", path.display())]
    File {
        /// As given.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// There is a log already.
    #[error("the log of this process is set up already")]
    Twice,
    /// The log has ended.
    #[error("the log of this process has ended")]
    Ended,
}

/// Changes the level while the process runs.
#[derive(Clone, Debug)]
pub struct LogHandle {
    filter: reload::Handle<EnvFilter, tracing_subscriber::Registry>,
}

impl LogHandle {
    /// Sets another level: `info`, or parts such as `info,sipcluster::sip=trace`.
    ///
    /// # Errors
    /// [`LogError::Level`] for what is no level; the old one stays.
    pub fn set_level(&self, level: &str) -> Result<(), LogError> {
        let filter = filter_of(level)?;
        self.filter.reload(filter).map_err(|_| LogError::Ended)
    }
}

/// Sets up the log of the process: its level, JSON or text, a file that is appended to or standard error.
///
/// # Errors
/// A level that is none, a file that cannot be written, a second set-up.
pub fn init(level: &str, json: bool, file: Option<&Path>) -> Result<LogHandle, LogError> {
    let sink = match file {
        Some(path) => Sink::open(path)?,
        None => Sink::StandardError,
    };
    let (filter, handle) = reload::Layer::new(filter_of(level)?);
    let form = if json { Form::Json } else { Form::Text };
    let subscriber =
        tracing_subscriber::registry().with(filter).with(Lines { form, sink, clock: wall });
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::Twice)?;
    Ok(LogHandle { filter: handle })
}

/// The span that a module thread lives in: name of the application, thread tag, name of the module.
#[must_use]
pub fn thread_span(node: &str, thread: &str, module: &str) -> Span {
    tracing::error_span!("module", node, thread, module)
}

/// Name of the module behind a thread tag of the guide; empty for any other tag.
#[must_use]
pub fn module_of(thread: &str) -> &'static str {
    match thread {
        "main" => "Session Controller",
        "512" => "Service Checker",
        "768" => "Transport",
        "1024" => "Interaction Proxy",
        "1280" => "T-Controller",
        "1536" => "System Monitor",
        "1792" => "Smart Proxy",
        shard if shard.len() == 3 && shard.bytes().all(|digit| digit.is_ascii_digit()) => {
            "Call Manager"
        }
        _ => "",
    }
}

/// Reads a level strictly: a lone word that is no level would otherwise be taken for a target.
pub(super) fn filter_of(level: &str) -> Result<EnvFilter, LogError> {
    let refused = |reason: String| LogError::Level { level: level.to_owned(), reason };
    let parts: Vec<&str> = level.split(',').map(str::trim).collect();
    let is_level = |part: &str| !part.is_empty() && part.parse::<LevelFilter>().is_ok();
    if !parts.iter().all(|part| part.contains(['=', '[']) || is_level(part)) {
        return Err(refused(String::new()));
    }
    let parsed = EnvFilter::builder().parse(parts.join(","));
    parsed.map_err(|error| refused(format!(": {error}")))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a log line carries the time of its writing, whoever wrote it"
)]
fn wall() -> WallTime {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    WallTime(since.map_or(0, |span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
}

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Text,
}

/// Where lines go. A line is written by one call, so that lines of several threads do not mix.
#[derive(Debug)]
pub(super) enum Sink {
    StandardError,
    File(File),
}

impl Sink {
    pub(super) fn open(path: &Path) -> Result<Self, LogError> {
        let file = File::options().create(true).append(true).open(path);
        file.map(Self::File).map_err(|error| LogError::File { path: path.to_path_buf(), error })
    }

    /// A line that cannot be written is lost: there is no one to tell.
    fn write(&self, line: &str) {
        let _ = match self {
            Self::StandardError => std::io::stderr().lock().write_all(line.as_bytes()),
            Self::File(file) => (&mut &*file).write_all(line.as_bytes()),
        };
    }
}

/// Fields of an event or a span, each name once.
#[derive(Debug, Default)]
pub(super) struct Fields(Vec<(&'static str, Value)>);

impl Fields {
    pub(super) fn set(&mut self, name: &'static str, value: Value) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some(field) => field.1 = value,
            None => self.0.push((name, value)),
        }
    }

    fn text(&self, name: &str) -> String {
        let value = self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value);
        value.map(plain).unwrap_or_default()
    }

    fn without<'a>(&'a self, names: &'a [&str]) -> impl Iterator<Item = &'a (&'static str, Value)> {
        self.0.iter().filter(|(name, _)| !names.contains(name))
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.set(field.name(), Value::String(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field.name(), Value::String(value.to_owned()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field.name(), Value::from(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field.name(), Value::from(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field.name(), Value::from(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field.name(), Value::from(value));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.set(field.name(), Value::String(value.to_string()));
    }
}

/// The layer that writes lines.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) form: Form,
    pub(super) sink: Sink,
    pub(super) clock: fn() -> WallTime,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        for span in context
            .event_scope(event)
            .into_iter()
            .flat_map(tracing_subscriber::registry::Scope::from_root)
        {
            if let Some(outer) = span.extensions().get::<Fields>() {
                for (name, value) in &outer.0 {
                    fields.set(name, value.clone());
                }
            }
        }
        event.record(&mut fields);
        let meta = event.metadata();
        let line = match self.form {
            Form::Json => json_line((self.clock)(), *meta.level(), meta.target(), &fields),
            Form::Text => text_line((self.clock)(), *meta.level(), &fields),
        };
        self.sink.write(&line);
    }
}

/// Fields that every line has; a field of an event with such a name gets `_` behind it.
const OF_THE_LINE: &[&str] = &["ts", "level", "target"];

pub(super) fn json_line(at: WallTime, level: Level, target: &str, fields: &Fields) -> String {
    let mut line = Map::new();
    line.insert("ts".to_owned(), Value::String(at.to_iso8601()));
    line.insert("level".to_owned(), Value::from(level.as_str()));
    line.insert("target".to_owned(), Value::from(target));
    line.insert("node".to_owned(), Value::String(fields.text("node")));
    line.insert("message".to_owned(), Value::String(fields.text("message")));
    for (name, value) in fields.without(&["node", "message"]) {
        let underscore = if OF_THE_LINE.contains(name) { "_" } else { "" };
        line.insert(format!("{name}{underscore}"), value.clone());
    }
    let mut line = Value::Object(line).to_string();
    line.push('\n');
    line
}

pub(super) fn text_line(at: WallTime, level: Level, fields: &Fields) -> String {
    let time = at.to_iso8601();
    let mut line = format!("{} {:<5} ", time.trim_end_matches('Z'), level.as_str());
    let (node, thread) = (fields.text("node"), fields.text("thread"));
    line.push_str(if node.is_empty() { "sipcluster" } else { &node });
    if !thread.is_empty() {
        let _ = write!(line, "-{thread}");
    }
    let named = fields.text("module");
    let module = if named.is_empty() { module_of(&thread) } else { named.as_str() };
    if !module.is_empty() {
        let _ = write!(line, " {module}");
    }
    let _ = write!(line, "  {}", one_line(&fields.text("message")));
    for (name, value) in fields.without(&["node", "thread", "module", "message"]) {
        let value = plain(value);
        let is_bare = !value.is_empty()
            && !value.contains(|letter: char| " \"=".contains(letter) || letter.is_control());
        let _ = if is_bare {
            write!(line, " {name}={value}")
        } else {
            write!(line, " {name}={value:?}")
        };
    }
    line.push('\n');
    line
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Control characters escaped: what came from outside cannot begin a line of its own.
fn one_line(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut line, letter| {
        if letter.is_control() {
            line.extend(letter.escape_default());
        } else {
            line.push(letter);
        }
        line
    })
}
