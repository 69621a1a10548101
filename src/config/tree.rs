//! YAML as a tree in which every key and value knows its place. Scalars keep
//! their text as written, so that `007` stays a DN; `${NAME}` is replaced here.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_saphyr::granit_parser::{Event, Marker, Options, Parser, ScalarStyle, options};

use super::report::{Place, Report};

/// Nodes of one file, aliases counted as often as they are used.
pub(crate) const NODES_MAX: usize = 4_000_000;
/// Lists and mappings inside one another.
pub(crate) const DEPTH_MAX: usize = 32;

/// A value and its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Where the value begins.
    pub place: Place,
    /// The value.
    pub content: Content,
}

/// A YAML value without any guess about its type.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// Nothing stands there, or `~`, or `null`.
    Nothing,
    /// A scalar, `${…}` replaced.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping in the order of the file, each key once.
    Map(Vec<(Key, Node)>),
    /// A scalar that the report already has an error for; nobody reports it again.
    Broken,
}

/// A key of a mapping and its place.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    /// The key.
    pub text: String,
    /// Where it begins.
    pub place: Place,
}

impl Node {
    /// The scalar; `None` for nothing, a list or a mapping.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Text(text) => Some(text),
            Content::Nothing | Content::List(_) | Content::Map(_) | Content::Broken => None,
        }
    }

    /// What it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.content {
            Content::Nothing => "nothing",
            Content::Text(_) => "a single value",
            Content::List(_) => "a list",
            Content::Map(_) => "a mapping",
            Content::Broken => "what cannot be read",
        }
    }

    fn size(&self) -> usize {
        1 + match &self.content {
            Content::Nothing | Content::Text(_) | Content::Broken => 0,
            Content::List(items) => items.iter().map(Self::size).sum(),
            Content::Map(entries) => entries.iter().map(|(_, node)| node.size()).sum(),
        }
    }
}

/// Looks up a variable of the environment.
pub(crate) type Environment<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// A list or mapping that is not closed yet.
struct Open {
    place: Place,
    anchor: usize,
    content: Content,
    /// The key of a mapping that waits for its value; `None` inside marks a key that is refused.
    key: Option<Option<Key>>,
}

struct Builder<'a> {
    file: Arc<str>,
    environment: &'a Environment<'a>,
    report: &'a mut Report,
    open: Vec<Open>,
    anchors: BTreeMap<usize, Node>,
    root: Option<Node>,
    nodes: usize,
    documents: usize,
}

/// Reads one file. `None` when it holds nothing, or nothing that can be read;
/// the report then has an error, and others where reading went on.
pub(crate) fn parse(
    text: &str,
    file: &str,
    environment: &Environment<'_>,
    report: &mut Report,
) -> Option<Node> {
    let parser = Parser::new_from_str_with_options(text, limits());
    let mut builder = Builder {
        file: file.into(),
        environment,
        report,
        open: Vec::new(),
        anchors: BTreeMap::new(),
        root: None,
        nodes: 0,
        documents: 0,
    };
    for next in parser {
        match next {
            Ok((event, span)) => {
                let place = builder.place(&span.start);
                if !builder.event(event, place) {
                    return None;
                }
            }
            Err(error) => {
                let place = builder.place(error.marker());
                builder.report.error(&place, format!("this is no YAML: {}", error.info()));
                return None;
            }
        }
    }
    builder.root
}

fn limits() -> Options {
    options! {
        disallow_directives: true,
        emit_comments: false,
        flow_nesting_limit: DEPTH_MAX,
        block_nesting_limit: DEPTH_MAX,
    }
}

impl Builder<'_> {
    fn place(&self, marker: &Marker) -> Place {
        Place {
            file: Arc::clone(&self.file),
            line: u32::try_from(marker.line()).unwrap_or(u32::MAX),
            column: u32::try_from(marker.col()).unwrap_or(u32::MAX).saturating_add(1),
        }
    }

    /// Takes one event; false stops reading.
    fn event(&mut self, event: Event<'_>, place: Place) -> bool {
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let content = self.scalar(&text, style, &place);
                self.value(Node { place, content }, anchor)
            }
            Event::SequenceStart(_, anchor, _) => {
                self.begin(place, anchor, Content::List(Vec::new()))
            }
            Event::MappingStart(_, anchor, _) => {
                self.begin(place, anchor, Content::Map(Vec::new()))
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(open) => {
                    self.value(Node { place: open.place, content: open.content }, open.anchor)
                }
                None => true,
            },
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some(node) => {
                    self.nodes = self.nodes.saturating_add(node.size());
                    self.value(node, 0)
                }
                None => {
                    self.report.error(&place, "an alias cannot stand inside what it names");
                    false
                }
            },
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.report.error(
                        &place,
                        "one file holds one document; put the second in a file of its own",
                    );
                }
                self.documents == 1
            }
            Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentEnd
            | Event::Anchor(..)
            | Event::UnresolvedAlias(_)
            | Event::Comment(..) => true,
            _ => true,
        }
    }

    fn begin(&mut self, place: Place, anchor: usize, content: Content) -> bool {
        if self.open.len() >= DEPTH_MAX {
            self.report.error(
                &place,
                format!("more than {DEPTH_MAX} lists and mappings inside one another"),
            );
            return false;
        }
        self.open.push(Open { place, anchor, content, key: None });
        true
    }

    fn value(&mut self, node: Node, anchor: usize) -> bool {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            self.report.error(&node.place, format!("more than {NODES_MAX} values in one file"));
            return false;
        }
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return true;
        };
        match &mut open.content {
            Content::List(items) => items.push(node),
            Content::Map(entries) => match open.key.take() {
                None => open.key = Some(key_of(node, entries, self.report)),
                Some(None) => {}
                Some(Some(key)) => entries.push((key, node)),
            },
            Content::Nothing | Content::Text(_) | Content::Broken => {}
        }
        true
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, place: &Place) -> Content {
        let plain = matches!(style, ScalarStyle::Plain);
        if plain && matches!(text, "" | "~" | "null") {
            return Content::Nothing;
        }
        interpolate(text, self.environment, place, self.report)
            .map_or(Content::Broken, Content::Text)
    }
}

fn key_of(node: Node, entries: &[(Key, Node)], report: &mut Report) -> Option<Key> {
    let Content::Text(text) = node.content else {
        report.error(&node.place, "a key is a single word");
        return None;
    };
    if let Some((first, _)) = entries.iter().find(|(key, _)| key.text == text) {
        report.error(&node.place, format!("the key `{text}` already stands at {}", first.place));
        return None;
    }
    Some(Key { text, place: node.place })
}

/// Replaces `${NAME}` and `${NAME:-default}`; `$${` stands for `${`. A variable
/// that is set to nothing counts as not set.
fn interpolate(
    text: &str,
    environment: &Environment<'_>,
    place: &Place,
    report: &mut Report,
) -> Option<String> {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('$') {
            result.push_str(before);
            result.push_str("${");
            rest = from.get(2..).unwrap_or_default();
            continue;
        }
        result.push_str(before);
        let inside = from.get(2..).unwrap_or_default();
        let Some((name, after)) = inside.split_once('}') else {
            report.error(place, "`${` without `}`; write `$${` for the two characters themselves");
            return None;
        };
        let (name, default) = match name.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (name, None),
        };
        match environment(name)
            .filter(|value| !value.is_empty())
            .or_else(|| default.map(str::to_owned))
        {
            Some(value) => result.push_str(&value),
            None => {
                let example = format!("`${{{name}:-value}}`");
                report.error(
                    place,
                    format!(
                        "the environment has no `{name}`; set it, or give a default as in {example}"
                    ),
                );
                return None;
            }
        }
        rest = after;
    }
    result.push_str(rest);
    Some(result)
}
