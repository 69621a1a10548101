//! The page of `/metrics`: OpenMetrics 1.0 and the older Prometheus text format 0.0.4.
//!
//! Families have the prefix `sipcluster_`, base units in their names, and labels from small fixed sets: never a
//! number of a person, a call id or an agent.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use super::counter::{Counter, Gauge, Histogram, Spread};

/// What every family name begins with.
const PREFIX: &str = "sipcluster_";
/// Samples of one family; what a source gives beyond them is left out and counted.
const SAMPLES_PER_FAMILY_MAX: usize = 20_000;
const LEFT_OUT: &str = "metrics_left_out";

/// The two text formats. They differ in the names of counter families and in the end mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `application/openmetrics-text; version=1.0.0`.
    OpenMetrics,
    /// `text/plain; version=0.0.4`.
    Text,
}

impl Form {
    /// The form that an `Accept` header asks for; the older one when it does not name OpenMetrics.
    #[must_use]
    pub fn accepted(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") { Self::OpenMetrics } else { Self::Text }
    }

    /// Value of `Content-Type`.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// Whatever can give samples when a page is written.
pub trait Collect: Send + Sync {
    /// Writes the samples of this moment.
    fn collect(&self, sheet: &mut Sheet);
}

impl<F: Fn(&mut Sheet) + Send + Sync> Collect for F {
    fn collect(&self, sheet: &mut Sheet) {
        self(sheet);
    }
}

/// Labels of one sample: name and value.
pub type Labels<'a> = &'a [(&'static str, &'a str)];

#[derive(Clone, Debug)]
enum Sample {
    Count(u64),
    Level(f64),
    Spread(Spread),
}

impl Sample {
    const fn kind(&self) -> &'static str {
        match self {
            Self::Count(_) => "counter",
            Self::Level(_) => "gauge",
            Self::Spread(_) => "histogram",
        }
    }

    /// Adds a sample of the same kind.
    fn merge(&mut self, other: &Self) {
        if let (Self::Count(mine), Self::Count(theirs)) = (&mut *self, other) {
            *mine = mine.saturating_add(*theirs);
        } else if let (Self::Level(mine), Self::Level(theirs)) = (&mut *self, other) {
            *mine += theirs;
        } else if let (Self::Spread(mine), Self::Spread(theirs)) = (self, other) {
            mine.merge(theirs);
        }
    }
}

#[derive(Debug)]
struct Family {
    help: &'static str,
    kind: &'static str,
    samples: BTreeMap<String, Sample>,
}

/// The samples of one page. Samples of one family with equal labels are summed.
#[derive(Debug, Default)]
pub struct Sheet {
    families: BTreeMap<&'static str, Family>,
    left_out: u64,
}

impl Sheet {
    /// A sample of a counter. `name` comes without prefix and without `_total`.
    pub fn counter(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: Labels<'_>,
        value: u64,
    ) {
        self.put(name, help, labels, Sample::Count(value));
    }

    /// A sample of a gauge.
    pub fn gauge(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: Labels<'_>,
        value: f64,
    ) {
        self.put(name, help, labels, Sample::Level(value));
    }

    /// A histogram.
    pub fn histogram(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: Labels<'_>,
        spread: Spread,
    ) {
        self.put(name, help, labels, Sample::Spread(spread));
    }

    fn put(&mut self, name: &'static str, help: &'static str, labels: Labels<'_>, sample: Sample) {
        let kind = sample.kind();
        let family = self.families.entry(name).or_insert_with(|| Family {
            help,
            kind,
            samples: BTreeMap::new(),
        });
        debug_assert_eq!(family.kind, kind, "{name} is of two kinds");
        let key = written(labels);
        if let Some(known) = family.samples.get_mut(&key) {
            known.merge(&sample);
        } else if family.kind == kind && family.samples.len() < SAMPLES_PER_FAMILY_MAX {
            family.samples.insert(key, sample);
        } else {
            self.left_out += 1;
        }
    }

    fn render(mut self, form: Form) -> String {
        if self.left_out > 0 {
            let help = "Samples that did not fit into their family";
            let count = u32::try_from(self.left_out).unwrap_or(u32::MAX);
            self.gauge(LEFT_OUT, help, &[], f64::from(count));
        }
        let mut page = String::new();
        for (name, family) in &self.families {
            let total = if family.kind == "counter" { "_total" } else { "" };
            let title = match form {
                Form::OpenMetrics => "",
                Form::Text => total,
            };
            let _ = writeln!(page, "# HELP {PREFIX}{name}{title} {}", escaped(family.help));
            let _ = writeln!(page, "# TYPE {PREFIX}{name}{title} {}", family.kind);
            for (labels, sample) in &family.samples {
                match sample {
                    Sample::Count(value) => {
                        let _ = writeln!(page, "{PREFIX}{name}{total}{} {value}", braces(labels));
                    }
                    Sample::Level(value) => {
                        let _ = writeln!(page, "{PREFIX}{name}{} {value}", braces(labels));
                    }
                    Sample::Spread(spread) => buckets(&mut page, name, labels, spread),
                }
            }
        }
        match form {
            Form::OpenMetrics => page.push_str("# EOF\n"),
            Form::Text => {}
        }
        page
    }
}

fn buckets(page: &mut String, name: &str, labels: &str, spread: &Spread) {
    let comma = if labels.is_empty() { "" } else { "," };
    let mut below = 0;
    for (at, count) in spread.counts.iter().enumerate() {
        below += count;
        let end =
            spread.bounds.get(at).map_or_else(|| "+Inf".to_owned(), |bound| format!("{bound:?}"));
        let _ = writeln!(page, "{PREFIX}{name}_bucket{{{labels}{comma}le=\"{end}\"}} {below}");
    }
    let _ = writeln!(page, "{PREFIX}{name}_sum{} {}", braces(labels), spread.sum_seconds);
    let _ = writeln!(page, "{PREFIX}{name}_count{} {below}", braces(labels));
}

fn braces(labels: &str) -> String {
    if labels.is_empty() { String::new() } else { format!("{{{labels}}}") }
}

fn written(labels: Labels<'_>) -> String {
    let pairs = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value)));
    pairs.collect::<Vec<_>>().join(",")
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// One cell with its name.
struct Entry<T> {
    name: &'static str,
    help: &'static str,
    labels: Vec<(&'static str, String)>,
    cell: Arc<T>,
}

impl<T> Entry<T> {
    fn labels(&self) -> Vec<(&'static str, &str)> {
        self.labels.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }
}

impl Collect for Entry<Counter> {
    fn collect(&self, sheet: &mut Sheet) {
        sheet.counter(self.name, self.help, &self.labels(), self.cell.get());
    }
}

impl Collect for Entry<Gauge> {
    fn collect(&self, sheet: &mut Sheet) {
        #[expect(clippy::cast_precision_loss, reason = "the format knows floating point only")]
        let value = self.cell.get() as f64;
        sheet.gauge(self.name, self.help, &self.labels(), value);
    }
}

impl Collect for Entry<Histogram> {
    fn collect(&self, sheet: &mut Sheet) {
        sheet.histogram(self.name, self.help, &self.labels(), self.cell.spread());
    }
}

/// Everything that a page is written from. It is filled while the process is put together and read from then on.
#[derive(Default)]
pub struct Registry {
    sources: Vec<Arc<dyn Collect>>,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").field("sources", &self.sources.len()).finish()
    }
}

impl Registry {
    /// An empty registry.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a source of samples, such as [`super::families::Families`] or a closure that reads counters kept elsewhere.
    pub fn add(&mut self, source: Arc<dyn Collect>) {
        self.sources.push(source);
    }

    /// Registers a counter cell. `name` comes without prefix and without `_total`. A second cell with the same name
    /// and labels is summed with the first.
    pub fn counter(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: Labels<'_>,
    ) -> Arc<Counter> {
        self.enter(name, help, labels, Counter::new())
    }

    /// Registers a gauge cell.
    pub fn gauge(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: Labels<'_>,
    ) -> Arc<Gauge> {
        self.enter(name, help, labels, Gauge::new())
    }

    /// Registers a histogram cell with upper bucket ends in seconds.
    pub fn histogram(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: Labels<'_>,
        bounds: &'static [f64],
    ) -> Arc<Histogram> {
        self.enter(name, help, labels, Histogram::new(bounds))
    }

    fn enter<T>(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: Labels<'_>,
        cell: T,
    ) -> Arc<T>
    where
        T: 'static,
        Entry<T>: Collect,
    {
        let cell = Arc::new(cell);
        let labels = labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        self.sources.push(Arc::new(Entry { name, help, labels, cell: Arc::clone(&cell) }));
        cell
    }

    /// The page of this moment in OpenMetrics.
    #[must_use]
    pub fn render(&self) -> String {
        self.render_as(Form::OpenMetrics, &|_| {})
    }

    /// The page of this moment in either form, with what `more` adds.
    #[must_use]
    pub fn render_as(&self, form: Form, more: &dyn Fn(&mut Sheet)) -> String {
        let mut sheet = Sheet::default();
        for source in &self.sources {
            source.collect(&mut sheet);
        }
        more(&mut sheet);
        sheet.render(form)
    }
}
