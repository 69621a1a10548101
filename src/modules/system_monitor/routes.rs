//! Paths and what answers them.

use core::future::{Ready, ready};
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Serialize;
use serde_json::json;
use tokio::time::sleep;

use super::limits::{BODY_LEN_MAX, LOOK_INTERVAL, ROWS_TIME};
use super::problem::Problem;
use super::{Command, Sources, views};
use crate::base::time::Instant;
use crate::observe::listing::Listing;
use crate::observe::prometheus::{Collect as _, Form};
use crate::runtime::clock::Clock;

/// What most handlers give: the answer is there at once, for everything they read is in memory.
type Answer = Ready<Response>;

/// The router over the sources.
pub(super) fn router(sources: Arc<Sources>) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/api/v1/status", get(status))
        .route("/api/v1/nodes", get(nodes))
        .route("/api/v1/calls", get(calls))
        .route("/api/v1/dns", get(dns))
        .route("/api/v1/agents", get(agents))
        .route("/api/v1/agents/{dn}/{what}", post(super::agents::operate))
        .route("/api/v1/mailboxes", get(mailboxes))
        .route("/api/v1/drain/{app}", post(drain))
        .route("/api/v1/reload", post(reload))
        .layer(DefaultBodyLimit::max(BODY_LEN_MAX))
        .fallback(nowhere)
        .method_not_allowed_fallback(wrong_method)
        .with_state(sources)
}

fn livez() -> Answer {
    ready((no_store(), "ok").into_response())
}

fn readyz(State(sources): State<Arc<Sources>>) -> Answer {
    let reasons = sources.board.unready();
    let code = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    ready(answer(code, views::readiness(&reasons)))
}

fn metrics(State(sources): State<Arc<Sources>>, headers: HeaderMap) -> Answer {
    let accept =
        headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let form = Form::accepted(accept);
    let stats = (sources.mailboxes)();
    let uptime = sources.clock.now().since(Instant::ZERO).as_secs_f64();
    let page = sources.registry.render_as(form, &|sheet| {
        sources.board.collect(sheet);
        views::mailbox_samples(&stats, sheet);
        sheet.gauge("uptime_seconds", "Time since the start of the process", &[], uptime);
    });
    ready(([(header::CONTENT_TYPE, form.content_type())], page).into_response())
}

fn status(State(sources): State<Arc<Sources>>) -> Answer {
    let uptime_s = sources.clock.now().since(Instant::ZERO).as_secs();
    let view =
        views::status(&sources.board.apps(), sources.version, uptime_s, &sources.board.unready());
    ready(answer(StatusCode::OK, view))
}

async fn nodes(State(sources): State<Arc<Sources>>) -> Response {
    listed(&sources.board.clients, sources.clock).await;
    let board = &sources.board;
    answer(StatusCode::OK, views::nodes(&board.apps(), &board.listed_clients()))
}

async fn calls(State(sources): State<Arc<Sources>>) -> Response {
    listed(&sources.board.calls, sources.clock).await;
    answer(StatusCode::OK, views::calls(&sources.board.listed_calls()))
}

async fn dns(State(sources): State<Arc<Sources>>) -> Response {
    let board = &sources.board;
    tokio::join!(listed(&board.registrations, sources.clock), listed(&board.dns, sources.clock));
    answer(StatusCode::OK, views::dns(&board.listed_dns(), &board.listed_registrations()))
}

async fn agents(State(sources): State<Arc<Sources>>) -> Response {
    listed(&sources.board.agents, sources.clock).await;
    answer(StatusCode::OK, views::agents(&sources.board.listed_agents(), &sources.board.apps()))
}

/// Asks for rows, and waits until all parts have made them. A part that is busy, or has died, shows what it has: an
/// operator hears of the others.
async fn listed<T>(listing: &Listing<T>, clock: Clock) {
    let asked = clock.now();
    let question = listing.ask(asked);
    while !listing.is_answered(question) && clock.now().since(asked) < ROWS_TIME {
        sleep(LOOK_INTERVAL).await;
    }
}

fn mailboxes(State(sources): State<Arc<Sources>>) -> Answer {
    ready(answer(StatusCode::OK, views::mailboxes(&(sources.mailboxes)())))
}

fn drain(
    State(sources): State<Arc<Sources>>,
    Path(app): Path<String>,
    headers: HeaderMap,
) -> Answer {
    if !sources.board.has(&app) {
        let detail = format!("no application {app} in this process: GET /api/v1/status lists them");
        return ready(Problem::new(StatusCode::NOT_FOUND, detail).into_response());
    }
    let told = format!("{app} takes no new work");
    ready(command(&sources, &headers, Command::Drain(app), &told))
}

fn reload(State(sources): State<Arc<Sources>>, headers: HeaderMap) -> Answer {
    let told = "the configuration is read again: the log tells what changed";
    ready(command(&sources, &headers, Command::Reload, told))
}

/// Passes a command on. A request with `Origin` comes from a web page, and no page of ours sends commands.
fn command(sources: &Sources, headers: &HeaderMap, command: Command, told: &str) -> Response {
    if headers.contains_key(header::ORIGIN) {
        let detail = "commands are not taken from web pages";
        return Problem::new(StatusCode::FORBIDDEN, detail).into_response();
    }
    match sources.commands.try_send(command) {
        Ok(()) => answer(StatusCode::ACCEPTED, json!({"accepted": true, "detail": told})),
        Err(_) => {
            let detail = "earlier commands are still being carried out: try again in a second";
            let mut refused = Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).into_response();
            refused.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            refused
        }
    }
}

fn nowhere(uri: Uri) -> Answer {
    let detail = format!("there is nothing at {}", uri.path());
    ready(Problem::new(StatusCode::NOT_FOUND, detail).into_response())
}

fn wrong_method(method: Method, uri: Uri) -> Answer {
    let detail = format!("{} does not take {method}", uri.path());
    ready(Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).into_response())
}

pub(super) fn answer(code: StatusCode, view: impl Serialize) -> Response {
    (code, no_store(), axum::Json(view)).into_response()
}

/// What is told here is true for a second.
const fn no_store() -> [(header::HeaderName, &'static str); 1] {
    [(header::CACHE_CONTROL, "no-store")]
}
