//! What a run does: the scenario, who calls whom from where, how fast, how long.

use core::net::SocketAddr;
use core::str::FromStr;
use core::time::Duration;

use crate::base::flow::Protocol;
use crate::sip::message::text::is_token;

/// Numbers of one list, and of one range.
const NUMBERS_MAX: u64 = 100_000_000;

/// What every unit of a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// A REGISTER that makes a binding (RFC 3261 10.2).
    Register,
    /// A REGISTER that removes every binding of a number (RFC 3261 10.2.2).
    Unregister,
    /// INVITE to BYE.
    Call,
    /// OPTIONS (RFC 3261 11).
    Options,
    /// Nothing is started: calls that come are answered.
    Answer,
}

/// Who the answering side is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Called {
    /// Phones: the numbers are registered at the answering side before the first call.
    Phones,
    /// A trunk or a gateway: calls find it by configuration.
    Trunk,
}

/// Who hangs up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The side that sent INVITE.
    Caller,
    /// The side that answered it.
    Callee,
}

/// How units are started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Open loop: so many a second, whatever becomes of them.
    Rate(u32),
    /// Closed loop: the next one when one has ended, so many at a time.
    InFlight(usize),
}

/// A run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What every unit is.
    pub scenario: Scenario,
    /// Where requests enter, in turn.
    pub targets: Vec<SocketAddr>,
    /// Address of the calling and registering side; `None` takes the one that leads to the first target.
    pub bind: Option<SocketAddr>,
    /// Address of the answering side, if there is one.
    pub uas: Option<SocketAddr>,
    /// Who the answering side is.
    pub called: Called,
    /// UDP or TCP, for both sides.
    pub transport: Protocol,
    /// Numbers that are registered or called, in turn.
    pub numbers: Numbers,
    /// Numbers that call, in turn.
    pub callers: Numbers,
    /// Host of From, To and the request URIs; `None` takes that of the first target.
    pub domain: Option<String>,
    /// Request-URI instead of the usual one.
    pub request_uri: Option<Template>,
    /// The caller's requests inside a dialog go to its target, whatever Contact and Record-Route say.
    pub outbound: bool,
    /// Header lines added to requests that begin something.
    pub headers: Vec<HeaderLine>,
    /// Header lines added to the caller's requests inside a dialog.
    pub dialog_headers: Vec<HeaderLine>,
    /// Password; without one a challenge is a failure.
    pub password: Option<Template>,
    /// Seconds that a binding is asked for.
    pub expires: u32,
    /// How long a call rings.
    pub ring: Duration,
    /// How long a call is up.
    pub hold: Duration,
    /// Who hangs up.
    pub hang_up: Side,
    /// Calls that stay up together, for a measure of memory.
    pub standing: Option<u64>,
    /// Standing calls are not ended.
    pub leave: bool,
    /// How units are started.
    pub pace: Pace,
    /// Units of the run, if bounded.
    pub count: Option<u64>,
    /// Time in which units are started, if bounded.
    pub time: Option<Duration>,
    /// Processes whose CPU time and memory are measured, each with its children.
    pub pids: Vec<u32>,
    /// Time between the last unit and the last look at the measured processes.
    pub settle: Duration,
}

impl Default for Plan {
    /// A run that does nothing, to be filled in.
    fn default() -> Self {
        Self {
            scenario: Scenario::Answer,
            targets: Vec::new(),
            bind: None,
            uas: None,
            called: Called::Phones,
            transport: Protocol::Udp,
            numbers: Numbers::one("0"),
            callers: Numbers::one("0012345678"),
            domain: None,
            request_uri: None,
            outbound: false,
            headers: Vec::new(),
            dialog_headers: Vec::new(),
            password: None,
            expires: 3600,
            ring: Duration::ZERO,
            hold: Duration::ZERO,
            hang_up: Side::Caller,
            standing: None,
            leave: false,
            pace: Pace::InFlight(1),
            count: None,
            time: None,
            pids: Vec::new(),
            settle: Duration::ZERO,
        }
    }
}

/// Why an argument is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Not digits, not `FIRST-LAST`, the last before the first, or more than can be.
    #[error("`{0}` is no number and no range: write 7001, 7001-7099 or several with commas")]
    Numbers(String),
    /// An unknown placeholder.
    #[error("`{{{0}}}` is unknown: {{dn}}, {{domain}} and {{to}} can be used")]
    Placeholder(String),
    /// A brace without its pair.
    #[error("a brace has no pair")]
    Brace,
    /// No header line.
    #[error("`{0}` is no header line: write `Name: value`")]
    Header(String),
}

/// A list of numbers: `7001`, `7001-7099`, `001-100,7001`. Leading zeros are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbers {
    text: String,
    ranges: Vec<Range>,
    /// From one index to the next, so many numbers on: without a divisor in common with how many there are.
    step: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Range {
    first: u64,
    len: u64,
    width: usize,
}

impl Numbers {
    /// The list of one number.
    fn one(digits: &str) -> Self {
        let first = digits.parse().unwrap_or_default();
        let ranges = vec![Range { first, len: 1, width: digits.len() }];
        Self { text: digits.to_owned(), ranges, step: 1 }
    }

    /// The same numbers, each once in a round as before, in an order in which neighbours are far apart: what is kept for
    /// them is found in no cache because of the one before.
    #[must_use]
    pub fn scattered(mut self) -> Self {
        let len = self.len();
        // Near the golden section; one less than the length would do at last.
        let mut step = (len / 1000).saturating_mul(618).max(len / 2) | 1;
        while step < len && !are_coprime(step, len) {
            step += 1;
        }
        self.step = step;
        self
    }

    /// How many there are, at least one.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.ranges.iter().map(|range| range.len).sum()
    }

    /// Never: a list has at least one number.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Writes the number at an index; indices go round.
    pub fn write(&self, index: u64, out: &mut Vec<u8>) {
        let len = u128::from(self.len().max(1));
        // The remainder of a length that fits fits.
        let mut index = (u128::from(index) * u128::from(self.step) % len) as u64;
        for range in &self.ranges {
            if index < range.len {
                return decimal(range.first + index, range.width, out);
            }
            index -= range.len;
        }
    }

    /// The number at an index as text.
    #[must_use]
    pub fn text(&self, index: u64) -> String {
        let mut out = Vec::new();
        self.write(index, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }
}

impl FromStr for Numbers {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        let wrong = || PlanError::Numbers(text.to_owned());
        let number = |digits: &str| {
            let good = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse::<u64>().ok().filter(|_| good)
        };
        let mut ranges = Vec::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (width, first, last) = (first.len(), number(first), number(last));
            let (first, last) = (first.ok_or_else(wrong)?, last.ok_or_else(wrong)?);
            let len = last.checked_sub(first).filter(|&len| len < NUMBERS_MAX);
            ranges.push(Range { first, len: len.ok_or_else(wrong)? + 1, width });
        }
        Ok(Self { text: text.to_owned(), ranges, step: 1 })
    }
}

impl core::fmt::Display for Numbers {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.text)
    }
}

fn are_coprime(mut one: u64, mut other: u64) -> bool {
    while other > 0 {
        (one, other) = (other, one % other);
    }
    one == 1
}

/// Writes a number in decimal, with leading zeros up to `width`.
pub(super) fn decimal(mut value: u64, width: usize, out: &mut Vec<u8>) {
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    while value > 0 || at == digits.len() {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
    }
    let from = at.min(digits.len().saturating_sub(width));
    out.extend_from_slice(&digits[from..]);
}

/// What stands for a placeholder.
#[derive(Clone, Copy, Debug)]
pub struct Filling<'a> {
    /// `{dn}`: list and index.
    pub number: (&'a Numbers, u64),
    /// `{domain}`.
    pub domain: &'a str,
    /// `{to}`.
    pub target: SocketAddr,
}

/// A text with the placeholders `{dn}`, `{domain}` and `{to}`, the last being host and port of the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Number,
    Domain,
    Target,
}

impl Template {
    /// Writes the text.
    pub fn write(&self, filling: Filling<'_>, out: &mut Vec<u8>) {
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text.as_bytes()),
                Part::Number => filling.number.0.write(filling.number.1, out),
                Part::Domain => out.extend_from_slice(filling.domain.as_bytes()),
                Part::Target => out.extend_from_slice(filling.target.to_string().as_bytes()),
            }
        }
    }
}

impl FromStr for Template {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('{') {
            let (name, after) = behind.split_once('}').ok_or(PlanError::Brace)?;
            parts.push(Part::Text(before.to_owned()));
            parts.push(match name {
                "dn" => Part::Number,
                "domain" => Part::Domain,
                "to" => Part::Target,
                other => return Err(PlanError::Placeholder(other.to_owned())),
            });
            rest = after;
        }
        if rest.contains('}') {
            return Err(PlanError::Brace);
        }
        parts.push(Part::Text(rest.to_owned()));
        parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
        Ok(Self { parts })
    }
}

/// A header line, without its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderLine(String);

impl HeaderLine {
    /// The line.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HeaderLine {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        let is_name = |name: &str| is_token(name.trim_end().as_bytes());
        let good = text.split_once(':').is_some_and(|(name, _)| is_name(name));
        if good && !text.contains(['\r', '\n', '\0']) {
            Ok(Self(text.to_owned()))
        } else {
            Err(PlanError::Header(text.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_zeros_and_go_round() {
        let numbers: Numbers = "0098-0101,7".parse().expect("good");
        let all: Vec<String> = (0..6).map(|index| numbers.text(index)).collect();
        assert_eq!(all, ["0098", "0099", "0100", "0101", "7", "0098"]);
        assert_eq!((numbers.len(), numbers.to_string().as_str()), (5, "0098-0101,7"));
        assert_eq!("0".parse::<Numbers>().expect("good").text(3), "0");
    }

    #[test]
    fn scattered_numbers_come_once_in_a_round_and_far_apart() {
        for text in ["7", "7-8", "1-6", "1-7", "0-999", "1-500,507,600-1000"] {
            let plain: Numbers = text.parse().expect("good");
            let numbers = plain.clone().scattered();
            let all: Vec<String> = (0..plain.len()).map(|index| numbers.text(index)).collect();
            let mut sorted = all.clone();
            sorted.sort_by_key(|number| number.parse::<u64>().expect("a number"));
            let listed: Vec<String> = (0..plain.len()).map(|index| plain.text(index)).collect();
            assert_eq!(sorted, listed, "{text}");
            assert_eq!(numbers.text(plain.len()), all[0], "{text}");
        }
        let many = "0-999999".parse::<Numbers>().expect("good").scattered();
        let at = |index: u64| many.text(index).parse::<i64>().expect("a number");
        assert!((0..1000).all(|index| (at(index) - at(index + 1)).abs() > 100_000));
    }

    #[test]
    fn what_is_no_list_of_numbers() {
        for text in ["", "a", "7-", "-7", "9-7", "7,", "+7", "1-99999999999", "7-8-9"] {
            assert!(text.parse::<Numbers>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_header_line_stays_one() {
        for text in ["X-A: b", "X-A:", "X-A : b:c"] {
            assert_eq!(text.parse::<HeaderLine>().expect(text).as_str(), text);
        }
        for text in ["", ":", "X A: b", "X-A b", "X-A: b\r\nX-B: c", "X-A: b\n"] {
            assert!(text.parse::<HeaderLine>().is_err(), "{text}");
        }
    }

    #[test]
    fn templates_are_filled() {
        let numbers: Numbers = "7001-7099".parse().expect("good");
        let target = SocketAddr::from(([127, 0, 0, 1], 5060));
        let filling = Filling { number: (&numbers, 1), domain: "example.com", target };
        let filled = |text: &str| {
            let mut out = Vec::new();
            text.parse::<Template>().map(|template| template.write(filling, &mut out))?;
            Ok::<_, PlanError>(String::from_utf8_lossy(&out).into_owned())
        };
        assert_eq!(filled("secret-{dn}").as_deref(), Ok("secret-7002"));
        assert_eq!(
            filled("sip:{dn}@{domain};via={to}").as_deref(),
            Ok("sip:7002@example.com;via=127.0.0.1:5060")
        );
        assert_eq!(filled("{x}"), Err(PlanError::Placeholder("x".to_owned())));
        assert_eq!(filled("{dn"), Err(PlanError::Brace));
        assert_eq!(filled("dn}"), Err(PlanError::Brace));
    }
}
