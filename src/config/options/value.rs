//! Values of options: from text to type by the register, and typed look-up.

use core::time::Duration;

use super::{OptionMeta, Scope, Unit, ValueKind, find_in};
use crate::config::report::Place;
use crate::config::tree::{Content, Node};

/// Key and value of one pair.
pub type Pair = (Box<str>, Box<str>);

/// A value that fits the kind of its option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OptionValue {
    /// A flag.
    Flag(bool),
    /// A whole number.
    Number(i64),
    /// A span of time.
    Duration(Duration),
    /// Text, a choice, an address or `reject=CODE`.
    Text(Box<str>),
    /// A list in the order of the file.
    List(Vec<Box<str>>),
    /// Pairs in the order of the file.
    Pairs(Vec<Pair>),
}

impl core::fmt::Display for OptionValue {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Flag(flag) => flag.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Duration(span) if span.subsec_millis() == 0 => write!(f, "{} s", span.as_secs()),
            Self::Duration(span) => write!(f, "{} ms", span.as_millis()),
            Self::Text(text) => f.write_str(text),
            Self::List(items) => f.write_str(&items.join(",")),
            Self::Pairs(pairs) => {
                for (position, (key, value)) in pairs.iter().enumerate() {
                    write!(f, "{}{key}={value}", if position == 0 { "" } else { "," })?;
                }
                Ok(())
            }
        }
    }
}

/// Why a value does not fit its option; followed by the option's help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Misfit {
    /// A value that the report already has an error for.
    #[error("cannot be read")]
    Broken,
    /// A list or mapping where one value belongs.
    #[error("takes a single value, not {0}")]
    NotSingle(&'static str),
    /// A list or mapping inside a list or mapping.
    #[error("`{0}` must be a single value, not {1}")]
    EntryNotSingle(String, &'static str),
    /// Neither of the words of a flag.
    #[error("`{0}` is neither true nor false")]
    NotFlag(String),
    /// No number at all.
    #[error("`{0}` is not a whole number")]
    NotNumber(String),
    /// Below the smallest value.
    #[error("{0} is less than {1}")]
    TooSmall(i64, i64),
    /// Above the greatest value; the last word is the unit.
    #[error("{0} is more than {1}{2}")]
    TooGreat(String, String, String),
    /// No span of time at all.
    #[error("`{0}` is not a span of time")]
    NotDuration(String),
    /// A span of time in a unit that nobody knows.
    #[error("`{0}` is no unit; there are msec, sec, min, hour and day")]
    NotUnit(String),
    /// A span of time that cannot be counted.
    #[error("{0} is too long")]
    TooLong(String),
    /// Not one of the words, though near to one.
    #[error("`{0}` is not one of its values; did you mean `{1}`?")]
    Misspelled(String, &'static str),
    /// Not one of the words.
    #[error("`{0}` is not one of its values: {1}")]
    NotChoice(String, String),
    /// Not `key=value`.
    #[error("`{0}` is not `key=value`")]
    NotPair(String),
    /// A pair of something else than SIP final responses.
    #[error("`{0}={1}` does not name two SIP codes from 400 to 699")]
    NotCodes(String, String),
    /// Not what the option wants.
    #[error("`{0}` is not {1}")]
    Not(String, &'static str),
    /// No SIP address.
    #[error("`{0}` is not a SIP address: {1}")]
    NotAddress(String, BadAddress),
}

/// Why a text is no SIP address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadAddress {
    /// `sips:`.
    #[error("sips: needs TLS, which this version does not have")]
    Sips,
    /// A transport other than UDP and TCP.
    #[error("the transport is udp or tcp, not `{0}`")]
    Transport(String),
    /// No port from 1 to 65535.
    #[error("`{0}` is not a port")]
    Port(String),
    /// No host.
    #[error("`{0}` is not a host")]
    Host(String),
    /// Digits and dots that are no address.
    #[error("`{0}` is not an IPv4 address")]
    V4(String),
    /// Something else between brackets.
    #[error("`{0}` is not an IPv6 address")]
    V6(String),
    /// An open bracket.
    #[error("`[` without `]`")]
    Bracket,
    /// Something between the bracket and the port.
    #[error("`{0}` stands behind the address")]
    Behind(String),
}

/// One option that is set, and where.
#[derive(Clone, Debug)]
struct Setting {
    name: Box<str>,
    value: OptionValue,
    place: Place,
}

/// The options of one object, each checked against the register. Two are equal
/// when they say the same, wherever it stands.
#[derive(Clone, Debug)]
pub struct Options {
    scope: Scope,
    settings: Vec<Setting>,
}

impl PartialEq for Options {
    fn eq(&self, other: &Self) -> bool {
        self.scope == other.scope && self.iter().eq(other.iter())
    }
}

impl Eq for Options {}

impl Options {
    /// No options.
    #[must_use]
    pub const fn none(scope: Scope) -> Self {
        Self { scope, settings: Vec::new() }
    }

    /// The scope whose defaults count.
    #[must_use]
    pub const fn scope(&self) -> Scope {
        self.scope
    }

    /// Name and value of each option that is set, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &OptionValue)> {
        self.settings.iter().map(|setting| (&*setting.name, &setting.value))
    }

    /// Whether nothing is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.settings.is_empty()
    }

    pub(crate) fn set(&mut self, name: &str, value: OptionValue, place: &Place) {
        self.settings.push(Setting { name: name.into(), value, place: place.clone() });
    }

    pub(crate) fn place(&self, name: &str) -> Option<&Place> {
        self.settings.iter().find(|setting| *setting.name == *name).map(|setting| &setting.place)
    }

    pub(crate) fn contains_text(&self, part: &str) -> bool {
        self.iter().any(|(_, value)| match value {
            OptionValue::Text(text) => text.contains(part),
            OptionValue::List(items) => items.iter().any(|item| item.contains(part)),
            OptionValue::Pairs(pairs) => pairs.iter().any(|(_, value)| value.contains(part)),
            OptionValue::Flag(_) | OptionValue::Number(_) | OptionValue::Duration(_) => false,
        })
    }

    /// A copy in which `from` is replaced by `to` in every text.
    pub(crate) fn replaced(&self, from: &str, to: &str) -> Self {
        let swap = |text: &str| text.replace(from, to).into_boxed_str();
        let settings = self.settings.iter().map(|setting| {
            let value = match &setting.value {
                OptionValue::Text(text) => OptionValue::Text(swap(text)),
                OptionValue::List(items) => {
                    OptionValue::List(items.iter().map(|item| swap(item)).collect())
                }
                OptionValue::Pairs(pairs) => OptionValue::Pairs(
                    pairs.iter().map(|(key, value)| (key.clone(), swap(value))).collect(),
                ),
                OptionValue::Flag(_) | OptionValue::Number(_) | OptionValue::Duration(_) => {
                    setting.value.clone()
                }
            };
            Setting { name: setting.name.clone(), value, place: setting.place.clone() }
        });
        Self { scope: self.scope, settings: settings.collect() }
    }

    /// The value of the option as it is set.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&OptionValue> {
        self.iter().find(|(own, _)| *own == name).map(|(_, value)| value)
    }

    fn default_of(&self, name: &str) -> Option<OptionValue> {
        let meta = find_in(name, self.scope)?;
        if meta.default.is_empty() { None } else { parse_text(meta, meta.default).ok() }
    }

    /// A text, choice, address or `reject=CODE`; `None` where it is not set.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.value(name)? {
            OptionValue::Text(text) => Some(text),
            OptionValue::Flag(_)
            | OptionValue::Number(_)
            | OptionValue::Duration(_)
            | OptionValue::List(_)
            | OptionValue::Pairs(_) => None,
        }
    }

    /// A flag; `None` where it is not set.
    #[must_use]
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.value(name).and_then(as_flag)
    }

    /// A whole number; `None` where it is not set.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<i64> {
        self.value(name).and_then(as_number)
    }

    /// A span of time; `None` where it is not set.
    #[must_use]
    pub fn duration(&self, name: &str) -> Option<Duration> {
        self.value(name).and_then(as_duration)
    }

    /// A list, empty where it is not set.
    #[must_use]
    pub fn list(&self, name: &str) -> &[Box<str>] {
        match self.value(name) {
            Some(OptionValue::List(items)) => items,
            Some(
                OptionValue::Text(_)
                | OptionValue::Flag(_)
                | OptionValue::Number(_)
                | OptionValue::Duration(_)
                | OptionValue::Pairs(_),
            )
            | None => &[],
        }
    }

    /// Pairs, empty where they are not set.
    #[must_use]
    pub fn pairs(&self, name: &str) -> &[Pair] {
        match self.value(name) {
            Some(OptionValue::Pairs(pairs)) => pairs,
            Some(
                OptionValue::Text(_)
                | OptionValue::Flag(_)
                | OptionValue::Number(_)
                | OptionValue::Duration(_)
                | OptionValue::List(_),
            )
            | None => &[],
        }
    }

    /// A text, or the register's default; empty where it has none.
    #[must_use]
    pub fn text_or_default(&self, name: &str) -> &str {
        self.text(name)
            .or_else(|| find_in(name, self.scope).map(|meta| meta.default))
            .unwrap_or_default()
    }

    /// A flag, or the register's default; false where it has none.
    #[must_use]
    pub fn flag_or_default(&self, name: &str) -> bool {
        self.flag(name)
            .or_else(|| self.default_of(name).as_ref().and_then(as_flag))
            .unwrap_or_default()
    }

    /// A number, or the register's default; 0 where it has none.
    #[must_use]
    pub fn number_or_default(&self, name: &str) -> i64 {
        self.number(name)
            .or_else(|| self.default_of(name).as_ref().and_then(as_number))
            .unwrap_or_default()
    }

    /// A span of time, or the register's default; zero where it has none.
    #[must_use]
    pub fn duration_or_default(&self, name: &str) -> Duration {
        self.duration(name)
            .or_else(|| self.default_of(name).as_ref().and_then(as_duration))
            .unwrap_or_default()
    }
}

fn as_flag(value: &OptionValue) -> Option<bool> {
    match value {
        OptionValue::Flag(flag) => Some(*flag),
        OptionValue::Text(_)
        | OptionValue::Number(_)
        | OptionValue::Duration(_)
        | OptionValue::List(_)
        | OptionValue::Pairs(_) => None,
    }
}

fn as_number(value: &OptionValue) -> Option<i64> {
    match value {
        OptionValue::Number(number) => Some(*number),
        OptionValue::Text(_)
        | OptionValue::Flag(_)
        | OptionValue::Duration(_)
        | OptionValue::List(_)
        | OptionValue::Pairs(_) => None,
    }
}

fn as_duration(value: &OptionValue) -> Option<Duration> {
    match value {
        OptionValue::Duration(span) => Some(*span),
        OptionValue::Text(_)
        | OptionValue::Flag(_)
        | OptionValue::Number(_)
        | OptionValue::List(_)
        | OptionValue::Pairs(_) => None,
    }
}

/// Reads a value of the file as the register wants it. The error says what is
/// wrong with it, to be followed by the option's help.
pub(crate) fn parse(meta: &OptionMeta, node: &Node) -> Result<OptionValue, Misfit> {
    match (&node.content, meta.kind) {
        (
            Content::Nothing | Content::Text(_) | Content::List(_) | Content::Map(_),
            ValueKind::Anything,
        ) => Ok(OptionValue::Text(node.text().unwrap_or_default().into())),
        (Content::Broken, _) => Err(Misfit::Broken),
        (Content::Nothing, _) => parse_text(meta, ""),
        (Content::Text(text), _) => parse_text(meta, text),
        (Content::List(items), ValueKind::List) => {
            let words = items
                .iter()
                .map(|item| item.text().map(Box::from).ok_or_else(|| single("an entry", item)));
            Ok(OptionValue::List(words.collect::<Result<_, _>>()?))
        }
        (Content::Map(entries), ValueKind::Pairs | ValueKind::CodePairs) => {
            let pairs = entries.iter().map(|(key, item)| match item.text() {
                Some(text) => Ok((key.text.as_str().into(), text.into())),
                None => Err(single(&key.text, item)),
            });
            let pairs = pairs.collect::<Result<Vec<_>, _>>()?;
            checked_pairs(meta, pairs)
        }
        (Content::List(_) | Content::Map(_), _) => Err(Misfit::NotSingle(node.kind())),
    }
}

fn single(what: &str, node: &Node) -> Misfit {
    Misfit::EntryNotSingle(what.to_owned(), node.kind())
}

fn parse_text(meta: &OptionMeta, text: &str) -> Result<OptionValue, Misfit> {
    let text = text.trim();
    let checked = |fits: bool, wanted: &'static str| {
        if fits {
            Ok(OptionValue::Text(text.into()))
        } else {
            Err(Misfit::Not(text.to_owned(), wanted))
        }
    };
    match meta.kind {
        ValueKind::Flag => match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Ok(OptionValue::Flag(true)),
            "false" | "no" | "off" | "0" => Ok(OptionValue::Flag(false)),
            _ => Err(Misfit::NotFlag(text.to_owned())),
        },
        ValueKind::Number { min, max } => match text.parse::<i64>() {
            Ok(number) if (min..=max).contains(&number) => Ok(OptionValue::Number(number)),
            Ok(number) if number < min => Err(Misfit::TooSmall(number, min)),
            Ok(_) => Err(Misfit::TooGreat(text.to_owned(), max.to_string(), String::new())),
            Err(_) => Err(Misfit::NotNumber(text.to_owned())),
        },
        ValueKind::Duration { unit, max } => duration(text, unit, max).map(OptionValue::Duration),
        ValueKind::Choice(words) if words.contains(&text) => Ok(OptionValue::Text(text.into())),
        ValueKind::Choice(words) => Err(match super::nearest(text, words.iter().copied()) {
            Some(word) => Misfit::Misspelled(text.to_owned(), word),
            None => Misfit::NotChoice(text.to_owned(), words.join(", ")),
        }),
        ValueKind::Text | ValueKind::Anything => Ok(OptionValue::Text(text.into())),
        ValueKind::List => {
            let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
            Ok(OptionValue::List(words.map(Box::from).collect()))
        }
        ValueKind::Pairs | ValueKind::CodePairs => checked_pairs(meta, pairs(text)?),
        ValueKind::SipAddress => match valid_address(text) {
            Ok(()) => Ok(OptionValue::Text(text.into())),
            Err(reason) => Err(Misfit::NotAddress(text.to_owned(), reason)),
        },
        ValueKind::HttpAddress => {
            let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
            let fits = host.is_some_and(|host| {
                host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[')
            });
            checked(fits, "an http or https URL")
        }
        ValueKind::RejectOrDn => match text.strip_prefix("reject=") {
            Some(code) => checked(is_error_code(code), "`reject=` and a SIP code from 400 to 699"),
            None => checked(!text.contains('='), "`reject=CODE` or the name of a DN"),
        },
    }
}

fn pairs(text: &str) -> Result<Vec<Pair>, Misfit> {
    let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
    words
        .map(|word| match word.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => {
                Ok((key.trim().into(), value.trim().into()))
            }
            Some(_) | None => Err(Misfit::NotPair(word.to_owned())),
        })
        .collect()
}

fn checked_pairs(meta: &OptionMeta, pairs: Vec<Pair>) -> Result<OptionValue, Misfit> {
    if meta.kind == ValueKind::CodePairs
        && let Some((from, to)) =
            pairs.iter().find(|(from, to)| !is_error_code(from) || !is_error_code(to))
    {
        return Err(Misfit::NotCodes(from.to_string(), to.to_string()));
    }
    Ok(OptionValue::Pairs(pairs))
}

fn is_error_code(text: &str) -> bool {
    text.len() == 3 && text.parse::<u16>().is_ok_and(|code| (400..=699).contains(&code))
}

fn duration(text: &str, unit: Unit, max: u64) -> Result<Duration, Misfit> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, word) = text.split_at(digits);
    let Ok(number) = number.parse::<u64>() else {
        return Err(Misfit::NotDuration(text.to_owned()));
    };
    let millis = match word.trim() {
        "" => unit.millis(),
        "ms" | "msec" => 1,
        "s" | "sec" => 1000,
        "min" => 60_000,
        "h" | "hr" | "hour" => 3_600_000,
        "d" | "day" => 86_400_000,
        other => return Err(Misfit::NotUnit(other.to_owned())),
    };
    let Some(span) = number.checked_mul(millis) else {
        return Err(Misfit::TooLong(text.to_owned()));
    };
    if span > max.saturating_mul(unit.millis()) {
        return Err(Misfit::TooGreat(
            text.to_owned(),
            max.to_string(),
            format!(" {}", unit.title()),
        ));
    }
    Ok(Duration::from_millis(span))
}

/// Whether a text is `*`, `::msml`, or `[sip:][user@]host[:port][;transport=udp|tcp]`
/// with a host name (RFC 1123 2.1), an IPv4 address or an IPv6 address in brackets.
pub(crate) fn valid_address(text: &str) -> Result<(), BadAddress> {
    if matches!(text, "*" | "::msml") {
        return Ok(());
    }
    if text.starts_with("sips:") {
        return Err(BadAddress::Sips);
    }
    let bare = text.strip_prefix("sip:").unwrap_or(text);
    let (target, parameters) = bare.split_once(';').unwrap_or((bare, ""));
    for parameter in parameters.split(';').filter(|parameter| !parameter.is_empty()) {
        if let Some(transport) = parameter.strip_prefix("transport=")
            && !transport.eq_ignore_ascii_case("udp")
            && !transport.eq_ignore_ascii_case("tcp")
        {
            return Err(BadAddress::Transport(transport.to_owned()));
        }
    }
    let host_port = target.rsplit_once('@').map_or(target, |(_, host)| host);
    let (host, port) = split_port(host_port)?;
    if let Some(port) = port
        && !port.parse::<u16>().is_ok_and(|port| port > 0)
    {
        return Err(BadAddress::Port(port.to_owned()));
    }
    valid_host(host)
}

fn split_port(text: &str) -> Result<(&str, Option<&str>), BadAddress> {
    if !text.starts_with('[') {
        return Ok(text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))));
    }
    let Some((host, rest)) = text.split_once(']') else {
        return Err(BadAddress::Bracket);
    };
    match rest.strip_prefix(':') {
        Some(port) => Ok((host, Some(port))),
        None if rest.is_empty() => Ok((host, None)),
        None => Err(BadAddress::Behind(rest.to_owned())),
    }
}

fn valid_host(host: &str) -> Result<(), BadAddress> {
    if let Some(address) = host.strip_prefix('[') {
        return match address.parse::<core::net::Ipv6Addr>() {
            Ok(_) => Ok(()),
            Err(_) => Err(BadAddress::V6(address.to_owned())),
        };
    }
    let only_digits = !host.is_empty() && host.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if only_digits && host.parse::<core::net::Ipv4Addr>().is_err() {
        return Err(BadAddress::V4(host.to_owned()));
    }
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let name = host.strip_suffix('.').unwrap_or(host);
    if name.len() <= 253 && name.split('.').all(label) {
        Ok(())
    } else {
        Err(BadAddress::Host(host.to_owned()))
    }
}
