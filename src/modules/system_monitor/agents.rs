//! Agents for operators: a request over HTTP becomes one of T-Library, its event becomes the answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::limits::DESK_TIME;
use super::problem::Problem;
use super::routes::answer;
use super::{Desk, Sources};
use crate::cti::tlib::{
    AgentWorkMode, Attributes, ErrorCode, Event, EventType, KvList, KvPair, RequestType,
};

/// Work modes that a request may name.
const WORK_MODES: [(&str, AgentWorkMode); 7] = [
    ("manual-in", AgentWorkMode::ManualIn),
    ("auto-in", AgentWorkMode::AutoIn),
    ("after-call-work", AgentWorkMode::AfterCallWork),
    ("aux-work", AgentWorkMode::AuxWork),
    ("no-call-disconnect", AgentWorkMode::NoCallDisconnect),
    ("walk-away", AgentWorkMode::WalkAway),
    ("return-back", AgentWorkMode::ReturnBack),
];

/// What a request brings.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    agent_id: Option<String>,
    password: Option<String>,
    work_mode: Option<String>,
    #[serde(default)]
    reasons: BTreeMap<String, Value>,
}

/// `POST /api/v1/agents/{dn}/{what}`.
pub(super) async fn operate(
    State(sources): State<Arc<Sources>>,
    Path((dn, what)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if headers.contains_key(header::ORIGIN) {
        let detail = "commands are not taken from web pages";
        return Problem::new(StatusCode::FORBIDDEN, detail).into_response();
    }
    let request = match request(&dn, &what, &body) {
        Ok(request) => request,
        Err(problem) => return problem.into_response(),
    };
    match ask_each(&sources.desks, request).await {
        Ok(event) => told(event),
        Err(problem) => problem.into_response(),
    }
}

fn request(dn: &str, what: &str, body: &[u8]) -> Result<(RequestType, Attributes), Problem> {
    let kind = match what {
        "login" => RequestType::TAgentLogin,
        "ready" => RequestType::TAgentSetReady,
        "not-ready" => RequestType::TAgentSetNotReady,
        "logout" => RequestType::TAgentLogout,
        other => {
            let detail = format!("an agent knows login, ready, not-ready and logout, not {other}");
            return Err(Problem::new(StatusCode::NOT_FOUND, detail));
        }
    };
    let bad = |detail: String| Problem::new(StatusCode::BAD_REQUEST, detail);
    let asked: Asked = if body.is_empty() {
        Asked::default()
    } else {
        serde_json::from_slice(body).map_err(|error| bad(format!("the body: {error}")))?
    };
    let work_mode = asked.work_mode.map(|name| work_mode(&name)).transpose().map_err(bad)?;
    let reasons = asked.reasons.iter().map(|(key, value)| reason(key, value));
    let reasons: Vec<KvPair> = reasons.collect::<Result<_, _>>().map_err(bad)?;
    let attributes = Attributes {
        this_dn: Some(dn.to_owned()),
        agent_id: asked.agent_id,
        password: asked.password,
        agent_work_mode: work_mode.map(Into::into),
        reasons: (!reasons.is_empty()).then_some(KvList { pairs: reasons }),
        ..Attributes::default()
    };
    Ok((kind, attributes))
}

fn work_mode(name: &str) -> Result<AgentWorkMode, String> {
    let found = WORK_MODES.iter().find(|(known, _)| *known == name);
    found.map(|(_, mode)| *mode).ok_or_else(|| {
        let known: Vec<&str> = WORK_MODES.iter().map(|(known, _)| *known).collect();
        format!("work_mode {name} is none of {}", known.join(", "))
    })
}

fn reason(key: &str, value: &Value) -> Result<KvPair, String> {
    let number = value.as_i64().and_then(|number| i32::try_from(number).ok());
    match (value.as_str(), number) {
        (Some(text), _) => Ok(KvPair::text(key, text)),
        (None, Some(number)) => Ok(KvPair::integer(key, number)),
        (None, None) => Err(format!("reason {key} is neither a text nor a number of 32 bits")),
    }
}

/// Each T-Controller knows the DNs of its switch, and passes on what another node owns: the first that knows the DN works
/// on it.
async fn ask_each(
    desks: &BTreeMap<String, Desk>,
    (kind, given): (RequestType, Attributes),
) -> Result<Event, Problem> {
    let mut last = None;
    for desk in desks.values() {
        let Some(receiver) = desk(kind, given.clone()) else {
            let detail = "the T-Controller has too much to do: try again in a second";
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail));
        };
        let Ok(Ok(event)) = timeout(DESK_TIME, receiver).await else {
            let detail = "the T-Controller has not answered in time; what was asked may be done";
            return Err(Problem::new(StatusCode::GATEWAY_TIMEOUT, detail));
        };
        let code = event.attributes.as_ref().map(|attributes| attributes.error_code());
        if code != Some(ErrorCode::ErrorNotConfigured) {
            return Ok(event);
        }
        last = Some(event);
    }
    last.ok_or_else(|| {
        let detail = "no application of this process is a T-Controller: ask the process of a node";
        Problem::new(StatusCode::NOT_FOUND, detail)
    })
}

#[expect(clippy::wildcard_enum_match_arm, reason = "codes that HTTP has no better word for")]
fn told(event: Event) -> Response {
    let kind = event.r#type();
    let source = event.source;
    let attributes = event.attributes.map(|attributes| *attributes).unwrap_or_default();
    if kind == EventType::EventError {
        let status = match attributes.error_code() {
            ErrorCode::ErrorNotConfigured | ErrorCode::ErrorNoSuchDn => StatusCode::NOT_FOUND,
            ErrorCode::ErrorInvalidAttribute => StatusCode::BAD_REQUEST,
            ErrorCode::ErrorBadPassword | ErrorCode::ErrorInvalidAgentId => StatusCode::FORBIDDEN,
            ErrorCode::ErrorServiceUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::CONFLICT,
        };
        let code = attributes.error_code();
        let text = attributes.error_message.unwrap_or_default();
        let detail = format!("{} ({}): {text}", code.as_str_name(), i32::from(code));
        return Problem::new(status, detail).into_response();
    }
    let view = json!({
        "event": kind.as_str_name(),
        "dn": attributes.this_dn,
        "agent_id": attributes.agent_id,
        "session": attributes.agent_session_id,
        "node_id": source,
    });
    answer(StatusCode::OK, view)
}
