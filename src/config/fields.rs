//! Reading one object of the file by the keys of `shape`. Every unknown, absent
//! or ill-typed key becomes a finding, and reading goes on.

use core::net::SocketAddr;

use super::options::{self, OptionValue, Options, Scope, State};
use super::report::{Place, Report, Severity};
use super::shape::{Object, Takes};
use super::tree::{Content, Key, Node};

/// An object whose keys are known.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'n> {
    object: Object,
    /// Where the object begins.
    pub place: &'n Place,
    entries: &'n [(Key, Node)],
}

impl<'n> Fields<'n> {
    /// Checks that the node is a mapping, that its keys are the object's and that none is missing.
    pub(crate) fn open(object: Object, node: &'n Node, report: &mut Report) -> Option<Self> {
        let Content::Map(entries) = &node.content else {
            if !matches!(node.content, Content::Broken) {
                report.error(
                    &node.place,
                    format!("{} is a mapping, not {}", object.title(), node.kind()),
                );
            }
            return None;
        };
        for (key, _) in entries {
            match object.field(&key.text) {
                Some(field) if field.takes == Takes::Never => {
                    report.error(
                        &key.place,
                        format!("`{}` cannot be used: {}", key.text, field.meaning),
                    );
                }
                Some(_) => {}
                None => unknown_key(object, key, report),
            }
        }
        for field in object.fields().iter().filter(|field| field.required) {
            let there = |node: &Node| !matches!(node.content, Content::Nothing);
            if !entries.iter().any(|(key, node)| key.text == field.name && there(node)) {
                let message = format!("{} needs the key `{}`", object.title(), field.name);
                report.add(Severity::Error, &node.place, message, Some(field.help()));
            }
        }
        Some(Self { object, place: &node.place, entries })
    }

    /// The value of a key, unless nothing stands there.
    pub(crate) fn node(&self, name: &str) -> Option<&'n Node> {
        let node = self.entries.iter().find(|(key, _)| key.text == name).map(|(_, node)| node)?;
        if matches!(node.content, Content::Nothing) { None } else { Some(node) }
    }

    /// The value of a key that means something else when it is not there: that it stands
    /// there with nothing is an error.
    pub(crate) fn filled(&self, name: &str, report: &mut Report) -> Option<&'n Node> {
        let node = self.entries.iter().find(|(key, _)| key.text == name).map(|(_, node)| node)?;
        if matches!(node.content, Content::Nothing) {
            self.misfit(
                name,
                node,
                "stands here with nothing: leave the key out, or write []",
                report,
            );
        }
        Some(node)
    }

    /// Reports a value that does not fit its key, with the meaning of the key.
    pub(crate) fn misfit(&self, name: &str, node: &Node, wrong: &str, report: &mut Report) {
        if !matches!(node.content, Content::Broken) {
            let help = self.object.field(name).map(super::shape::Field::help);
            report.add(Severity::Error, &node.place, format!("`{name}`: {wrong}"), help);
        }
    }

    /// A single value.
    pub(crate) fn text(&self, name: &str, report: &mut Report) -> Option<&'n str> {
        let node = self.node(name)?;
        match node.text().map(str::trim) {
            Some("") => {
                self.misfit(name, node, "must not be empty", report);
                None
            }
            Some(text) => Some(text),
            None => {
                self.misfit(
                    name,
                    node,
                    &format!("takes a single value, not {}", node.kind()),
                    report,
                );
                None
            }
        }
    }

    /// One of the words of the key, as its position among them.
    pub(crate) fn choice(&self, name: &str, report: &mut Report) -> Option<usize> {
        let text = self.text(name, report)?;
        let Some(Takes::Choice(words)) = self.object.field(name).map(|field| field.takes) else {
            return None;
        };
        let position = words.iter().position(|word| *word == text);
        if position.is_none()
            && let Some(node) = self.node(name)
        {
            let wrong = match options::nearest(text, words.iter().copied()) {
                Some(word) => format!("there is no `{text}`; did you mean `{word}`?"),
                None => format!("there is no `{text}`; there are {}", words.join(", ")),
            };
            self.misfit(name, node, &wrong, report);
        }
        position
    }

    /// A flag.
    pub(crate) fn flag(&self, name: &str, report: &mut Report) -> Option<bool> {
        let text = self.text(name, report)?;
        match text {
            "true" | "yes" | "on" => Some(true),
            "false" | "no" | "off" => Some(false),
            _ => {
                if let Some(node) = self.node(name) {
                    self.misfit(name, node, &format!("`{text}` is neither true nor false"), report);
                }
                None
            }
        }
    }

    /// A whole number within the bounds of the key.
    pub(crate) fn number(&self, name: &str, report: &mut Report) -> Option<u32> {
        let text = self.text(name, report)?;
        let Some(Takes::Number(min, max)) = self.object.field(name).map(|field| field.takes) else {
            return None;
        };
        match text.parse::<u32>() {
            Ok(number) if (min..=max).contains(&number) => Some(number),
            Ok(_) | Err(_) => {
                if let Some(node) = self.node(name) {
                    self.misfit(
                        name,
                        node,
                        &format!("`{text}` is not a number from {min} to {max}"),
                        report,
                    );
                }
                None
            }
        }
    }

    /// `address:port`.
    pub(crate) fn socket(&self, name: &str, report: &mut Report) -> Option<SocketAddr> {
        let text = self.text(name, report)?;
        match text.parse::<SocketAddr>() {
            Ok(address) => Some(address),
            Err(_) => {
                if let Some(node) = self.node(name) {
                    self.misfit(
                        name,
                        node,
                        &format!("`{text}` is not an address and port"),
                        report,
                    );
                }
                None
            }
        }
    }

    /// A list of texts, or a single one, each with its place.
    pub(crate) fn names(&self, name: &str, report: &mut Report) -> Vec<(&'n str, &'n Place)> {
        let Some(node) = self.node(name) else {
            return Vec::new();
        };
        let items = match &node.content {
            Content::List(items) => items.as_slice(),
            Content::Text(_) | Content::Nothing | Content::Map(_) | Content::Broken => {
                core::slice::from_ref(node)
            }
        };
        let mut names = Vec::with_capacity(items.len());
        for item in items {
            match item.text().map(str::trim) {
                Some(text) if !text.is_empty() => names.push((text, &item.place)),
                Some(_) | None => self.misfit(name, item, "takes a list of names", report),
            }
        }
        names
    }

    /// A list of whole numbers, or a single one.
    pub(crate) fn numbers(&self, name: &str, report: &mut Report) -> Vec<u32> {
        let Some(Takes::Numbers(min, max)) = self.object.field(name).map(|field| field.takes)
        else {
            return Vec::new();
        };
        let mut numbers = Vec::new();
        for (text, place) in self.names(name, report) {
            match text.parse::<u32>() {
                Ok(number) if (min..=max).contains(&number) => numbers.push(number),
                Ok(_) | Err(_) => {
                    let help = self.object.field(name).map(super::shape::Field::help);
                    let wrong = format!("`{name}`: `{text}` is not a number from {min} to {max}");
                    report.add(Severity::Error, place, wrong, help);
                }
            }
        }
        numbers
    }

    /// The entries of a list of objects.
    pub(crate) fn many(&self, name: &str, report: &mut Report) -> Vec<Self> {
        let Some(Takes::Many(object)) = self.object.field(name).map(|field| field.takes) else {
            return Vec::new();
        };
        match self.node(name) {
            None => Vec::new(),
            Some(Node { content: Content::List(items), .. }) => {
                items.iter().filter_map(|item| Self::open(object, item, report)).collect()
            }
            Some(node) => {
                self.misfit(name, node, &format!("takes a list, not {}", node.kind()), report);
                Vec::new()
            }
        }
    }

    /// The object below a key.
    pub(crate) fn one(&self, name: &str, report: &mut Report) -> Option<Self> {
        let Some(Takes::One(object)) = self.object.field(name).map(|field| field.takes) else {
            return None;
        };
        Self::open(object, self.node(name)?, report)
    }

    /// The entries of a mapping without fixed keys.
    pub(crate) fn entries(&self, name: &str, report: &mut Report) -> &'n [(Key, Node)] {
        match self.node(name) {
            None => &[],
            Some(Node { content: Content::Map(entries), .. }) => entries,
            Some(node) => {
                self.misfit(name, node, &format!("takes a mapping, not {}", node.kind()), report);
                &[]
            }
        }
    }

    /// The options, checked against the register.
    pub(crate) fn options(&self, scope: Scope, report: &mut Report) -> Options {
        let mut options = Options::none(scope);
        for (key, node) in self.entries("options", report) {
            read_option(key, node, &mut options, report);
        }
        options
    }

    /// The text of an option before anything about the object is known.
    pub(crate) fn raw_option(&self, name: &str) -> Option<&'n Node> {
        match &self.node("options")?.content {
            Content::Map(entries) => {
                entries.iter().find(|(key, _)| key.text == name).map(|(_, node)| node)
            }
            Content::Nothing | Content::Text(_) | Content::List(_) | Content::Broken => None,
        }
    }
}

fn unknown_key(object: Object, key: &Key, report: &mut Report) {
    let name = &key.text;
    let known = object.fields().iter().filter(|field| field.takes != Takes::Never);
    let nearest = options::nearest(name, known.map(|field| field.name));
    let has_options = object.field("options").is_some();
    let (message, help) = match nearest {
        _ if has_options && options::find(name).is_some() => (
            format!("`{name}` is an option; it belongs below `options`"),
            options::find(name).map(|meta| meta.help()),
        ),
        Some(word) => (
            format!("{} has no key `{name}`; did you mean `{word}`?", object.title()),
            object.field(word).map(super::shape::Field::help),
        ),
        None => (format!("{} has no key `{name}`", object.title()), None),
    };
    report.add(Severity::Error, &key.place, message, help);
}

fn read_option(key: &Key, node: &Node, options: &mut Options, report: &mut Report) {
    let (name, scope) = (key.text.as_str(), options.scope());
    let Some(meta) = options::find_in(name, scope) else {
        unknown_option(key, node, scope, report);
        return;
    };
    match meta.state {
        State::Unsupported => {
            let message = format!("`{name}` is not supported in cluster mode and has no effect");
            report.add(Severity::Warning, &key.place, message, Some(meta.help()));
            return;
        }
        State::IgnoredInCluster => {
            let message = format!("`{name}` is ignored in cluster mode");
            report.add(Severity::Warning, &key.place, message, Some(meta.help()));
            return;
        }
        State::Later => {
            let message = format!("`{name}` has no effect in this version");
            report.add(Severity::Note, &key.place, message, Some(meta.help()));
        }
        State::Works => {}
    }
    match options::parse(meta, node) {
        Ok(value) => options.set(name, value, &key.place),
        Err(options::Misfit::Broken) => {}
        Err(wrong) => {
            report.add(
                Severity::Error,
                &node.place,
                format!("`{name}`: {wrong}"),
                Some(meta.help()),
            );
            // It stands there, so nobody must miss it.
            options.set(
                name,
                OptionValue::Text(node.text().unwrap_or_default().into()),
                &key.place,
            );
        }
    }
}

fn unknown_option(key: &Key, node: &Node, scope: Scope, report: &mut Report) {
    let name = key.text.as_str();
    let own = options::register().filter(|meta| meta.scopes.contains(&scope)).map(|meta| meta.name);
    let (message, help) = if let Some(meta) = options::find(name) {
        let scopes: Vec<_> = options::register()
            .filter(|other| other.name == meta.name)
            .flat_map(|other| other.scopes.iter().map(|scope| scope.title()))
            .collect();
        let message = format!(
            "`{name}` is no option of this object ({}) but of: {}",
            scope.title(),
            scopes.join(", ")
        );
        (message, Some(meta.help()))
    } else if matches!(node.content, Content::Map(_)) {
        (
            format!("`{name}` is not an option; write options without the name of their section"),
            None,
        )
    } else if let Some(word) = options::nearest(name, own) {
        let message = format!("there is no option `{name}`; did you mean `{word}`?");
        (message, options::find_in(word, scope).map(|meta| meta.help()))
    } else {
        (format!("there is no option `{name}`"), None)
    };
    report.add(Severity::Error, &key.place, message, help);
}
