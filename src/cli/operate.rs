//! Commands that ask a running process, and `version`.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::http::{self, Answer, Asked, HttpError};
use super::table::{Table, cell};
use super::{AgentDoes, At, Cli, Command, Operate};

pub(super) const REFUSED: u8 = 1;
pub(super) const USAGE: u8 = 2;

/// Carries out `version` and all that a running process is asked for, and gives the exit code of the process.
/// `run`, `check`, `schema` and `load` are not carried out here and give 2.
#[must_use]
pub fn operate(cli: &Cli) -> ExitCode {
    match &cli.command {
        Command::Operate(command) => {
            finish(request(command).and_then(|asked| shown(command, http::ask(&asked), cli.json)))
        }
        Command::Version => finish(Ok(version(cli.json))),
        Command::Run(_) | Command::Check(_) | Command::Schema | Command::Load(_) => {
            ExitCode::from(USAGE)
        }
    }
}

/// What a command asks.
pub(super) fn request(command: &Operate) -> Result<Asked, Failure> {
    let get = |at: &At, path: &str| Asked {
        at: at.at.clone(),
        method: "GET",
        path: path.to_owned(),
        body: String::new(),
    };
    Ok(match command {
        Operate::Status(at) => get(at, "/api/v1/status"),
        Operate::Nodes(at) => get(at, "/api/v1/nodes"),
        Operate::Calls(at) => get(at, "/api/v1/calls"),
        Operate::Dns(at) => get(at, "/api/v1/dns"),
        Operate::Agents(at) => get(at, "/api/v1/agents"),
        Operate::Agent(agent) => {
            let (what, body) = agent_body(&agent.what)?;
            let path = format!("/api/v1/agents/{}/{what}", http::segment(&agent.dn));
            Asked { method: "POST", body, ..get(&agent.at, &path) }
        }
        Operate::Drain(drain) => {
            let path = format!("/api/v1/drain/{}", http::segment(&drain.app));
            Asked { method: "POST", ..get(&drain.at, &path) }
        }
    })
}

/// Last part of the path and body of an agent's request.
fn agent_body(what: &AgentDoes) -> Result<(&'static str, String), Failure> {
    let (name, how) = match what {
        AgentDoes::Login { how, .. } => ("login", how),
        AgentDoes::Ready { how } => ("ready", how),
        AgentDoes::NotReady { how } => ("not-ready", how),
        AgentDoes::Logout { how } => ("logout", how),
    };
    let mut body = serde_json::Map::new();
    if let AgentDoes::Login { agent_id, password_file, .. } = what {
        body.insert("agent_id".to_owned(), Value::from(agent_id.as_str()));
        if let Some(file) = password_file {
            body.insert("password".to_owned(), Value::from(password(file)?));
        }
    }
    if let Some(mode) = &how.work_mode {
        body.insert("work_mode".to_owned(), Value::from(mode.as_str()));
    }
    let mut reasons = serde_json::Map::new();
    for reason in &how.reasons {
        let Some((key, value)) = reason.split_once('=').filter(|(key, _)| !key.is_empty()) else {
            let line = format!("\"{reason}\" is no KEY=VALUE");
            return Err(Failure { code: USAGE, line });
        };
        reasons.insert(key.to_owned(), Value::from(value));
    }
    if !reasons.is_empty() {
        body.insert("reasons".to_owned(), Value::from(reasons));
    }
    Ok((name, Value::from(body).to_string()))
}

/// A password does not stand in the list of processes.
fn password(file: &Path) -> Result<String, Failure> {
    let text = if file == Path::new("-") {
        io::read_to_string(io::stdin().lock())
    } else {
        std::fs::read_to_string(file)
    };
    let text = text.map_err(|error| {
        let line = format!("the password cannot be read from {}: {error}", file.display());
        Failure { code: USAGE, line }
    })?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
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
        Operate::Agents(_) => view["agents"].is_array(),
        Operate::Agent(_) => view["event"].is_string(),
        Operate::Drain(_) => view["detail"].is_string(),
    };
    if is_known { Ok(text(command, &view)) } else { Err(strange()) }
}

fn text(command: &Operate, view: &Value) -> String {
    match command {
        Operate::Status(_) => status(view),
        Operate::Nodes(_) => nodes(view),
        Operate::Calls(_) => calls(view),
        Operate::Dns(_) => dns(view),
        Operate::Agents(_) => agents(view),
        Operate::Agent(_) => agent(view),
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
        Table::of(
            &view["t_controllers"],
            &["T-CONTROLLER", "NODE-ID", "EPOCH", "OWNED DNS", "AGENTS", "CLIENTS"],
            &["name", "node_id", "epoch", "dns_owned", "agents", "clients"],
        ),
        links(view),
        Table::of(
            &view["smart_proxies"],
            &["SMART PROXY OF", "LOCATION", "EPOCH", "UP", "SINCE", "RTT MS", "QUEUE", "SEEN BY"],
            &[
                "node_id",
                "geo_location",
                "epoch",
                "up",
                "since",
                "RTT_ms",
                "TX_QUEUE_LEN",
                "seen_by",
            ],
        ),
        Table::of(
            &view["clients"],
            &["CLIENT", "ADDRESS", "PORT", "DNS", "LAG BYTES", "CONNECTED", "NODE"],
            &["application", "address", "port", "dns", "lag_bytes", "connected", "node"],
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

/// Links of T-Controllers, with the guide's names of what is measured.
fn links(view: &Value) -> Table {
    Table::of(
        &view["links"],
        &[
            "LINK TO", "LOCATION", "EPOCH", "UP", "SINCE", "RTT MS", "TXT MS", "RXT MS", "LAST TS",
            "TX QUEUE", "RX QUEUE", "SEEN BY",
        ],
        &[
            "node_id",
            "geo_location",
            "epoch",
            "up",
            "since",
            "RTT_ms",
            "TXT_ms",
            "RXT_ms",
            "LAST_TS",
            "TX_QUEUE_LEN",
            "RX_QUEUE_LEN",
            "seen_by",
        ],
    )
}

fn calls(view: &Value) -> String {
    let heading = &["CALLER", "DIALLED", "DESTINATION", "STATE", "STARTED", "NODE", "CONNID"];
    let fields = ["caller", "dialled", "destination", "state", "started", "node", "conn_id"];
    listed(&Table::of(&view["calls"], heading, &fields), view, "calls", "no calls\n")
}

/// DNs that somebody owns or that have something to show, then registrations.
fn dns(view: &Value) -> String {
    let all = view["dns"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_bare = |dn: &&Value| dn["owner"].is_null() && dn["type"] != "routing-point";
    let (bare, owned): (Vec<&Value>, Vec<&Value>) = all.iter().partition(is_bare);
    let owned = Value::from(owned.into_iter().cloned().collect::<Vec<Value>>());
    let heading = &[
        "DN",
        "TYPE",
        "OWNER",
        "EPOCH",
        "IN SERVICE",
        "STATUS",
        "AGENT",
        "DND",
        "FORWARD",
        "CALLS",
        "CLIENTS",
    ];
    let fields = [
        "dn",
        "type",
        "owner",
        "epoch",
        "in_service",
        "status",
        "agent_id",
        "dnd",
        "forward",
        "calls",
        "clients",
    ];
    let table = Table::of(&owned, heading, &fields);
    let mut text = if table.is_empty() { String::new() } else { table.text() };
    if !bare.is_empty() {
        text.push_str(&format!("{} DNs that no node owns\n", bare.len()));
    }
    let shown = u64::try_from(all.len()).unwrap_or(u64::MAX);
    let total = view["dns_total"].as_u64().unwrap_or_default();
    if shown < total {
        text.push_str(&format!("{shown} of {total}\n"));
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(&registrations(view));
    text
}

fn agents(view: &Value) -> String {
    let heading = &["AGENT", "DN", "STATE", "WORK MODE", "REASONS", "SINCE", "NODE", "DESKTOP"];
    let fields = ["agent_id", "dn", "state", "work_mode", "reasons", "since", "node", "desktop"];
    listed(&Table::of(&view["agents"], heading, &fields), view, "agents", "no agent is logged in\n")
}

fn agent(view: &Value) -> String {
    let (event, dn) = (cell(&view["event"]), cell(&view["dn"]));
    format!("{event} {} at {dn}, node {}\n", cell(&view["agent_id"]), cell(&view["node_id"]))
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
    let shown = view[field].as_array().map_or(0, Vec::len);
    let total = view["total"].as_u64().unwrap_or_default();
    if table.is_empty() && total == 0 {
        return none.to_owned();
    }
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
