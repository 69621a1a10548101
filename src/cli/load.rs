//! `load`: from arguments to a plan, and the plan's run.

use core::net::SocketAddr;
use core::time::Duration;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};

use super::operate::{Failure, REFUSED, USAGE, finish};
use crate::base::flow::Protocol;
use crate::load::Plan;
use crate::load::plan::{Called, HeaderLine, Numbers, Pace, Scenario, Side, Template};

const EXAMPLES: &str = "\
Against config/quickstart.yaml:
  sipcluster load register --password 'secret-{dn}'
  sipcluster load call --bind 127.0.0.1:5080 --uas 127.0.0.12:5062 --password 'secret-{dn}' --rate 50 --count 500
  sipcluster load call --caller 7050-7099 --numbers 7001-7049 --uas 127.0.0.12:5062 --password 'secret-{dn}'

As fast as it goes, with the cost for a server:
  sipcluster load register --in-flight 64 --count 100000 --numbers 100000-199999 --pid $(pgrep -o kamailio)

10,000 calls that stand together, for a measure of memory:
  sipcluster load call --uas 127.0.0.12:5062 --trunk --standing 10000 --rate 500 --pid 1234

Exit codes: 0 nothing failed, 1 something failed, 2 wrong usage.";

/// What `load` takes.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(after_help = EXAMPLES)]
pub struct Load {
    /// Scenario.
    #[command(subcommand)]
    pub scenario: What,
}

/// The scenarios.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
#[command(subcommand_help_heading = "Scenarios", subcommand_value_name = "SCENARIO")]
pub enum What {
    /// Register phones; a challenge is answered when there is a password
    Register(Common),
    /// Remove all registrations of each number (Contact *, Expires 0)
    Unregister(Common),
    /// Call: INVITE, 180, 200, ACK, hold, BYE. With --uas the called phones are here as well
    Call(Box<Call>),
    /// Send OPTIONS
    Options(Common),
    /// Only answer calls, until --count calls, --for seconds or an interrupt
    Answer(Answer),
}

/// Options of all scenarios.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct Common {
    /// Where requests enter; several are used in turn
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:5060", value_delimiter = ',')]
    pub to: Vec<SocketAddr>,
    /// Own address [default: the one that leads to the first target, any port]
    #[arg(long, visible_alias = "from", value_name = "HOST:PORT")]
    pub bind: Option<SocketAddr>,
    /// Registered or called numbers, used in turn
    #[arg(long, value_name = "LIST", default_value = "7001-7099")]
    pub numbers: Numbers,
    /// Use them in an order in which neighbours are far apart
    #[arg(long)]
    pub scatter: bool,
    /// Password for challenges; {dn} is the number
    #[arg(long, value_name = "TEXT")]
    pub password: Option<Template>,
    /// Whether challenges are answered
    #[arg(long, value_enum, default_value_t = Auth::Digest)]
    pub auth: Auth,
    /// Host of From, To and request URIs [default: the host of the first target]
    #[arg(long, value_name = "HOST")]
    pub domain: Option<String>,
    /// Another request URI; {dn}, {domain} and {to} are replaced
    #[arg(long, value_name = "URI")]
    pub request_uri: Option<Template>,
    /// Header line added to REGISTER, OPTIONS and INVITE; may be given several times
    #[arg(long, value_name = "LINE")]
    pub header: Vec<HeaderLine>,
    /// Seconds asked for in REGISTER
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    pub expires: u32,
    /// Transport of both sides
    #[arg(long, value_enum, default_value_t = Transport::Udp)]
    pub transport: Transport,
    /// How fast and how long.
    #[command(flatten)]
    pub pace: Paced,
}

/// How fast and how long, and what is measured.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct Paced {
    /// Open loop: start so many a second [default: 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000), conflicts_with = "in_flight")]
    pub rate: Option<u32>,
    /// Closed loop: keep so many under way
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub in_flight: Option<u32>,
    /// Stop after so many [default: one for each number, unless --for is given]
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
    /// Start nothing after so many seconds
    #[arg(long = "for", value_name = "SECONDS")]
    pub seconds: Option<u64>,
    /// Measure CPU time and memory of this process and its children; may be given several times
    #[arg(long, value_name = "PID")]
    pub pid: Vec<u32>,
    /// Wait so long before the last look at the measured processes
    #[arg(long, value_name = "SECONDS", default_value_t = 1)]
    pub settle: u64,
}

/// Options of `call`.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct Call {
    /// Options of all scenarios.
    #[command(flatten)]
    pub common: Common,
    /// Numbers that call, used in turn
    #[arg(long, value_name = "LIST", default_value = "0012345678")]
    pub caller: Numbers,
    /// Send ACK and BYE of the caller to --to as well, whatever Contact and Record-Route say
    #[arg(long)]
    pub outbound: bool,
    /// Header line added to ACK and BYE of the caller; may be given several times
    #[arg(long, value_name = "LINE")]
    pub dialog_header: Vec<HeaderLine>,
    /// The called phones are here, at this address: they register before the first call
    #[arg(long, value_name = "HOST:PORT")]
    pub uas: Option<SocketAddr>,
    /// The called side is a trunk and does not register
    #[arg(long, requires = "uas")]
    pub trunk: bool,
    /// How long a call is up
    #[arg(long, value_name = "MS", default_value_t = 100)]
    pub hold: u64,
    /// How long it rings
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub ring: u64,
    /// Who hangs up
    #[arg(long, value_enum, default_value_t = HangUp::Caller)]
    pub bye: HangUp,
    /// Build up so many calls that stay up, measure, end them
    #[arg(long, value_name = "N", conflicts_with_all = ["count", "seconds"])]
    pub standing: Option<u64>,
    /// Leave standing calls up
    #[arg(long, requires = "standing")]
    pub leave: bool,
}

/// Options of `answer`.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct Answer {
    /// Own address
    #[arg(long, visible_alias = "uas", value_name = "HOST:PORT")]
    pub bind: SocketAddr,
    /// Transport
    #[arg(long, value_enum, default_value_t = Transport::Udp)]
    pub transport: Transport,
    /// How long a call is up, when this side hangs up
    #[arg(long, value_name = "MS", default_value_t = 100)]
    pub hold: u64,
    /// How long it rings
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub ring: u64,
    /// Who hangs up
    #[arg(long, value_enum, default_value_t = HangUp::Caller)]
    pub bye: HangUp,
    /// Stop after so many calls
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
    /// Stop after so many seconds
    #[arg(long = "for", value_name = "SECONDS")]
    pub seconds: Option<u64>,
}

/// Whether challenges are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Auth {
    /// With digest, when there is a password.
    Digest,
    /// Never: a challenge is a failure.
    None,
}

/// Transport protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// Streams.
    Tcp,
}

/// Who hangs up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum HangUp {
    /// Who called.
    Caller,
    /// Who was called.
    Callee,
}

const fn protocol(transport: Transport) -> Protocol {
    match transport {
        Transport::Udp => Protocol::Udp,
        Transport::Tcp => Protocol::Tcp,
    }
}

const fn side(bye: HangUp) -> Side {
    match bye {
        HangUp::Caller => Side::Caller,
        HangUp::Callee => Side::Callee,
    }
}

impl Load {
    /// The plan that the arguments describe.
    #[must_use]
    pub fn plan(&self) -> Plan {
        match &self.scenario {
            What::Register(common) => plan(common, Scenario::Register),
            What::Unregister(common) => plan(common, Scenario::Unregister),
            What::Options(common) => plan(common, Scenario::Options),
            What::Call(call) => Plan {
                uas: call.uas,
                called: if call.trunk { Called::Trunk } else { Called::Phones },
                callers: call.caller.clone(),
                hold: Duration::from_millis(call.hold),
                ring: Duration::from_millis(call.ring),
                // Standing calls end from the side that counts them.
                hang_up: if call.standing.is_some() { Side::Caller } else { side(call.bye) },
                outbound: call.outbound,
                dialog_headers: call.dialog_header.clone(),
                standing: call.standing,
                leave: call.leave,
                ..plan(&call.common, Scenario::Call)
            },
            What::Answer(answer) => Plan {
                scenario: Scenario::Answer,
                targets: Vec::new(),
                bind: Some(answer.bind),
                transport: protocol(answer.transport),
                hold: Duration::from_millis(answer.hold),
                ring: Duration::from_millis(answer.ring),
                hang_up: side(answer.bye),
                pace: Pace::InFlight(0),
                count: answer.count,
                time: answer.seconds.map(Duration::from_secs),
                ..Plan::default()
            },
        }
    }
}

fn plan(common: &Common, scenario: Scenario) -> Plan {
    let paced = &common.pace;
    let pace = match paced.in_flight {
        Some(limit) => Pace::InFlight(limit as usize),
        None => Pace::Rate(paced.rate.unwrap_or(10)),
    };
    let each_once = || paced.seconds.is_none().then(|| common.numbers.len());
    Plan {
        scenario,
        targets: common.to.clone(),
        bind: common.bind,
        transport: protocol(common.transport),
        numbers: match common.scatter {
            true => common.numbers.clone().scattered(),
            false => common.numbers.clone(),
        },
        domain: common.domain.clone(),
        request_uri: common.request_uri.clone(),
        headers: common.header.clone(),
        password: common.password.clone().filter(|_| common.auth == Auth::Digest),
        expires: common.expires,
        pace,
        count: paced.count.or_else(each_once),
        time: paced.seconds.map(Duration::from_secs),
        pids: paced.pid.clone(),
        settle: Duration::from_secs(paced.settle),
        ..Plan::default()
    }
}

/// Runs the load and prints its report: 0 when nothing failed, 1 otherwise.
#[must_use]
pub fn load(asked: &Load, json: bool) -> ExitCode {
    let mut stdout = io::stdout();
    let lines = if json { None } else { Some(&mut stdout as &mut dyn io::Write) };
    let report = match crate::load::run(asked.plan(), lines) {
        Ok(report) => report,
        Err(error) => {
            let code = match error {
                crate::load::LoadError::NoProcess(_) => USAGE,
                crate::load::LoadError::Socket(_) | crate::load::LoadError::Bindings { .. } => {
                    REFUSED
                }
            };
            return finish(Err(Failure { code, line: error.to_string() }));
        }
    };
    let text = if json { format!("{:#}\n", report.json()) } else { format!("{report}\n") };
    // A reader that has gone is no failure.
    let _ = io::stdout().write_all(text.as_bytes());
    if report.is_good() { ExitCode::SUCCESS } else { ExitCode::from(REFUSED) }
}
