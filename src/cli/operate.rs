//! Commands that ask a running process, and `version`.

use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::{Value, json};

use super::http::{self, Answer, HttpError};
use super::table::{Table, cell};
use super::{Cli, Command, Operate};

pub(super) const REFUSED: u8 = 1;
pub(super) const USAGE: u8 = 2;

/// Carries out `status`, `nodes`, `calls`, `dns`, `drain` and `version`, and gives the exit code of the process.
/// `run`, `check`, `schema` and `load` are not carried out here and give 2.
#[must_use]
pub fn operate(cli: &Cli) -> ExitCode {
    match &cli.command {
        Command::Operate(command) => {
            let (at, method, path) = request(command);
            finish(shown(command, http::ask(&at, method, &path), cli.json))
        }
        Command::Version => finish(Ok(version(cli.json))),
        Command::Run(_) | Command::Check(_) | Command::Schema | Command::Load(_) => {
            ExitCode::from(USAGE)
        }
    }
}

/// Place, method and path that a command asks.
pub(super) fn request(command: &Operate) -> (String, &'static str, String) {
    let (at, method, path) = match command {
        Operate::Status(at) => (at, "GET", "/api/v1/status".to_owned()),
        Operate::Nodes(at) => (at, "GET", "/api/v1/nodes".to_owned()),
        Operate::Calls(at) => (at, "GET", "/api/v1/calls".to_owned()),
        Operate::Dns(at) => (at, "GET", "/api/v1/dns".to_owned()),
        Operate::Drain(drain) => {
            (&drain.at, "POST", format!("/api/v1/drain/{}", http::segment(&drain.app)))
        }
    };
    (at.at.clone(), method, path)
}

/// What goes wrong, in one line, with the exit code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) code: u8,
    pub(super) line: String,
}

/// What is printed for an answer.
pub(super) fn shown(
    command: &Operate,
    answer: Result<Answer, HttpError>,
    json: bool,
) -> Result<String, Failure> {
    let answer = answer.map_err(|error| {
        let code = if matches!(error, HttpError::NoAddress(_)) { USAGE } else { REFUSED };
        Failure { code, line: error.to_string() }
    })?;
    let strange = || Failure {
        code: REFUSED,
        line: format!("an answer {} that sipcluster does not give: check --at", answer.code),
    };
    let view: Value = serde_json::from_slice(&answer.body).map_err(|_| strange())?;
    if !(200..300).contains(&answer.code) {
        let detail = view["detail"].as_str().ok_or_else(strange)?;
        return Err(Failure { code: REFUSED, line: cell(&Value::from(detail)) });
    }
    if json {
        return Ok(format!("{view}\n"));
    }
    let is_known = match command {
        Operate::Status(_) => view["applications"].is_array(),
        Operate::Nodes(_) => view["nodes"].is_array(),
        Operate::Calls(_) => view["calls"].is_array(),
        Operate::Dns(_) => view["registrations"].is_array(),
        Operate::Drain(_) => view["detail"].is_string(),
    };
    if is_known { Ok(text(command, &view)) } else { Err(strange()) }
}

fn text(command: &Operate, view: &Value) -> String {
    match command {
        Operate::Status(_) => status(view),
        Operate::Nodes(_) => nodes(view),
        Operate::Calls(_) => calls(view),
        Operate::Dns(_) => registrations(view),
        Operate::Drain(_) => format!("{}\n", cell(&view["detail"])),
    }
}

fn status(view: &Value) -> String {
    let uptime = duration(view["uptime_s"].as_u64().unwrap_or_default());
    let ready = if view["ready"] == true { "ready" } else { "not ready" };
    let mut text = format!("sipcluster {}, up {uptime}, {ready}\n", cell(&view["version"]));
    for reason in view["reasons"].as_array().into_iter().flatten() {
        text.push_str(&format!("  {}\n", cell(reason)));
    }
    let heading = &["APPLICATION", "ROLE", "NODE-ID", "LOCATION", "IN SERVICE", "LISTENS ON"];
    let fields = ["name", "role", "node_id", "geo_location", "in_service", "listen"];
    text.push('\n');
    text.push_str(&Table::of(&view["applications"], heading, &fields).text());
    text
}

fn nodes(view: &Value) -> String {
    let tables = [
        Table::of(
            &view["nodes"],
            &["NODE-ID", "NODE", "ADDRESS", "IN SERVICE", "SEEN BY"],
            &["node_id", "name", "address", "in_service", "seen_by"],
        ),
        Table::of(
            &view["proxies"],
            &["SIP PROXY", "IN SERVICE", "SEEN BY"],
            &["address", "in_service", "seen_by"],
        ),
        Table::of(
            &view["trunks"],
            &["TRUNK", "IN SERVICE", "SEEN BY"],
            &["name", "in_service", "seen_by"],
        ),
    ];
    let filled: Vec<String> =
        tables.iter().filter(|table| !table.is_empty()).map(Table::text).collect();
    if filled.is_empty() {
        "this process sees no node, proxy or trunk\n".to_owned()
    } else {
        filled.join("\n")
    }
}

fn calls(view: &Value) -> String {
    let heading = &["CALLER", "DIALLED", "DESTINATION", "STATE", "STARTED", "NODE", "CONNID"];
    let fields = ["caller", "dialled", "destination", "state", "started", "node", "conn_id"];
    listed(&Table::of(&view["calls"], heading, &fields), view, "calls", "no calls\n")
}

fn registrations(view: &Value) -> String {
    let heading = &["DN", "CONTACT", "ENDS IN S", "NODE", "SIP PROXY"];
    let fields = ["dn", "contact", "expires_s", "node", "proxy"];
    listed(
        &Table::of(&view["registrations"], heading, &fields),
        view,
        "registrations",
        "no DN is registered\n",
    )
}

/// A table, with a last line where the process showed only part of the list.
fn listed(table: &Table, view: &Value, field: &str, none: &str) -> String {
    if table.is_empty() {
        return none.to_owned();
    }
    let shown = view[field].as_array().map_or(0, Vec::len);
    let total = view["total"].as_u64().unwrap_or_default();
    let mut text = table.text();
    if u64::try_from(shown).is_ok_and(|shown| shown < total) {
        text.push_str(&format!("{shown} of {total}\n"));
    }
    text
}

/// `3 d 4 h`, `4 h 5 min`, `5 min 6 s`, `6 s`.
pub(super) fn duration(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min {} s", seconds % 60),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

fn version(json: bool) -> String {
    let version = env!("CARGO_PKG_VERSION");
    if json {
        format!("{}\n", json!({"name": "sipcluster", "version": version}))
    } else {
        format!("sipcluster {version}\n")
    }
}

/// Prints, and gives the exit code. A reader that has gone, such as `head`, is no failure.
pub(super) fn finish(outcome: Result<String, Failure>) -> ExitCode {
    match outcome {
        Ok(text) => match io::stdout().lock().write_all(text.as_bytes()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => ExitCode::from(REFUSED),
            Ok(()) | Err(_) => ExitCode::SUCCESS,
        },
        Err(failure) => {
            let _ = writeln!(io::stderr(), "sipcluster: {}", failure.line);
            ExitCode::from(failure.code)
        }
    }
}
