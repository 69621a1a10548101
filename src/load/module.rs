//! The run: sockets, clock and pace around the machines, in one thread.

use core::future::Future as _;
use core::pin::{Pin, pin};
use core::task::Poll;
use core::time::Duration;
use std::io::{self, Write};

use super::core::Core;
use super::core::out::{Id, Out};
use super::core::pace::Pacer;
use super::core::setup::Setup;
use super::core::tally::Tally;
use super::net::Net;
use super::plan::{Called, Pace, Plan, Scenario};
use super::report::{Measured, Report, line};
use super::usage::Usage;
use crate::base::time::Instant;
use crate::runtime::clock::{Clock, random_u64};
use crate::runtime::timer_wheel::TimerWheel;

/// Phones that register at a time before the first call.
const BINDINGS_IN_FLIGHT: usize = 16;
/// Time between two lines.
const LINE_INTERVAL: Duration = Duration::from_secs(1);

/// Why a run does not begin.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A socket.
    #[error("cannot open a socket: {0}")]
    Socket(#[from] io::Error),
    /// A measured process.
    #[error("there is no process {0}: correct --pid")]
    NoProcess(u32),
    /// The called phones.
    #[error("of {attempted} phones {failed} could not register: {reason}")]
    Bindings {
        /// How many there are.
        attempted: u64,
        /// How many failed.
        failed: u64,
        /// Why the first ones did.
        reason: String,
    },
}

/// What a turn of the run starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Registers the called phones.
    Bind,
    /// Starts units of the scenario.
    Units,
    /// Ends standing calls.
    EndStanding,
    /// Nothing: what comes is answered.
    Wait,
}

/// Runs a plan to its end. `lines` gets a line a second, where it is wanted. An interrupt ends the start of units, a
/// second one the run.
///
/// # Errors
/// When it cannot begin.
pub fn run(plan: Plan, lines: Option<&mut dyn Write>) -> Result<Report, LoadError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut run = Run::new(plan, lines)?;
        run.play().await
    })
}

struct Run<'a> {
    core: Core,
    net: Net,
    out: Out,
    clock: Clock,
    wheel: TimerWheel<Id>,
    due: Vec<Id>,
    lines: Option<&'a mut dyn Write>,
    next_line: Instant,
    started: Instant,
    /// When the last unit ended.
    ended: Instant,
    interrupts: u32,
    interrupt: tokio::signal::unix::Signal,
}

impl<'a> Run<'a> {
    fn new(plan: Plan, lines: Option<&'a mut dyn Write>) -> Result<Self, LoadError> {
        let interrupt = tokio::signal::unix::SignalKind::interrupt();
        let (net, calling, answering) = Net::open(&plan)?;
        let setup = Setup::new(plan, random_u64() as u32, calling, answering);
        Ok(Self {
            core: Core::new(setup),
            net,
            out: Out::default(),
            clock: Clock::start(),
            wheel: TimerWheel::new(),
            due: Vec::new(),
            lines,
            next_line: Instant::NEVER,
            started: Instant::ZERO,
            ended: Instant::ZERO,
            interrupts: 0,
            interrupt: tokio::signal::unix::signal(interrupt)?,
        })
    }

    fn plan(&self) -> &Plan {
        &self.core.setup().plan
    }

    async fn play(&mut self) -> Result<Report, LoadError> {
        self.net.open_for_sending().await;
        if self.plan().scenario == Scenario::Call
            && self.plan().uas.is_some()
            && self.plan().called == Called::Phones
        {
            self.register_phones().await?;
        }
        let pids = self.plan().pids.clone();
        let look = |memory: bool| pids.iter().map(move |&pid| (pid, Usage::of(pid, memory)));
        let mut before = Vec::new();
        for (pid, usage) in look(true) {
            before.push(usage.ok_or(LoadError::NoProcess(pid))?);
        }
        let own = Usage::of(std::process::id(), false).unwrap_or_default();
        self.started = self.clock.now();
        self.ended = self.started;
        self.next_line = self.started + LINE_INTERVAL;
        let count = self.plan().standing.or(self.plan().count);
        let until = self.plan().time.map_or(Instant::NEVER, |time| self.started + time);
        let pace = self.plan().pace;
        self.step(Step::Units, Pacer::new(pace, count, until, self.started)).await;
        self.settle().await;
        // With standing calls memory is that of the calls, before they end.
        let standing = self.core.standing() as u64;
        let memory: Vec<Usage> = look(true).map(|(_, usage)| usage.unwrap_or_default()).collect();
        let elapsed = self.ended.since(self.started);
        if self.plan().standing.is_some() && !self.plan().leave {
            let pacer = Pacer::new(pace, Some(standing), Instant::NEVER, self.clock.now());
            self.step(Step::EndStanding, pacer).await;
            self.settle().await;
        }
        let own =
            Usage::of(std::process::id(), false).unwrap_or_default().cpu.saturating_sub(own.cpu);
        let after = look(false).map(|(_, usage)| usage.unwrap_or_default().cpu);
        let measured = pids.iter().zip(&before).zip(after).zip(&memory);
        let processes = measured.map(|(((&pid, before), cpu), memory)| Measured {
            pid,
            cpu: cpu.saturating_sub(before.cpu),
            memory_before: before.memory,
            memory_after: memory.memory,
        });
        let processes = processes.collect();
        let (tally, plan) = (self.core.take_tally(), self.plan());
        let unsent = self.net.unsent;
        Ok(Report::new(plan, tally, elapsed, own, processes, standing, unsent))
    }

    async fn register_phones(&mut self) -> Result<(), LoadError> {
        let count = self.plan().numbers.len();
        let pace = Pace::InFlight(BINDINGS_IN_FLIGHT);
        let pacer = Pacer::new(pace, Some(count), Instant::NEVER, self.clock.now());
        self.step(Step::Bind, pacer).await;
        let Tally { units, .. } = self.core.take_tally();
        if units.succeeded == count {
            return Ok(());
        }
        let first = units.failed.keys().next();
        Err(LoadError::Bindings {
            attempted: count,
            failed: count - units.succeeded,
            reason: first.map_or_else(|| "interrupted".to_owned(), ToString::to_string),
        })
    }

    /// Serves for the time after which the processes are looked at.
    async fn settle(&mut self) {
        if self.plan().pids.is_empty() || self.interrupts > 0 {
            return;
        }
        let now = self.clock.now();
        let until = now + self.plan().settle;
        self.step(Step::Wait, Pacer::new(Pace::InFlight(0), None, until, now)).await;
    }

    /// Turns until all is started that the pacer allows, and has ended.
    async fn step(&mut self, step: Step, mut pacer: Pacer) {
        loop {
            self.receive();
            let now = self.clock.now();
            self.expire(now);
            if self.interrupts > 0 && step != Step::EndStanding {
                pacer.stop();
            }
            for _ in 0..pacer.due(now, self.open(step)) {
                match step {
                    Step::Bind => self.core.start_binding(now, &mut self.out),
                    Step::Units => self.core.start(now, &mut self.out),
                    Step::EndStanding => drop(self.core.end_standing(now, &mut self.out)),
                    Step::Wait => {}
                }
                carry_out(&mut self.out, &mut self.net, &mut self.wheel);
            }
            if self.interrupts > 1 || self.is_over(step, &mut pacer, now) {
                return;
            }
            self.print_line(now);
            let wake = pacer.next().min(self.wheel.next()).min(self.next_line);
            self.wait(wake, now).await;
        }
    }

    /// Units under way: those that stand are not.
    fn open(&self, step: Step) -> usize {
        let open = self.core.tally().units.open() as usize;
        if step == Step::Wait { 0 } else { open.saturating_sub(self.core.standing()) }
    }

    fn is_over(&mut self, step: Step, pacer: &mut Pacer, now: Instant) -> bool {
        let answers = self.plan().scenario == Scenario::Answer;
        if step == Step::Units && answers {
            let answered = &self.core.tally().answered;
            let is_full = self.plan().count.is_some_and(|count| answered.attempted >= count);
            let over = (is_full || pacer.is_over(now)) && answered.open() == 0;
            self.ended = now;
            return over;
        }
        if !pacer.is_over(now) {
            return false;
        }
        if self.open(step) > 0 {
            return false;
        }
        if step == Step::Units {
            self.ended = now;
        }
        true
    }

    fn receive(&mut self) {
        let Self { core, net, out, clock, wheel, .. } = self;
        net.receive(&mut |net, end, from, bytes| {
            core.on_message(end, from, bytes, clock.now(), out);
            carry_out(out, net, wheel);
        });
    }

    fn expire(&mut self, now: Instant) {
        let mut due = core::mem::take(&mut self.due);
        self.wheel.expire(now, &mut due);
        for id in due.drain(..) {
            self.core.on_time(id, now, &mut self.out);
            carry_out(&mut self.out, &mut self.net, &mut self.wheel);
        }
        self.due = due;
    }

    fn print_line(&mut self, now: Instant) {
        if now < self.next_line {
            return;
        }
        self.next_line = self.next_line + LINE_INTERVAL;
        let elapsed = now.since(self.started);
        if let Some(lines) = &mut self.lines {
            // A reader that has gone does not end the run.
            let _ = writeln!(lines, "{}", line(self.core.tally(), elapsed, self.core.standing()));
        }
    }

    /// Waits for a message, the time or an interrupt.
    async fn wait(&mut self, wake: Instant, now: Instant) {
        if wake <= now {
            // The reactor must see the sockets in between.
            return tokio::task::yield_now().await;
        }
        let span = wake.since(now).min(LINE_INTERVAL);
        let mut sleep = pin!(tokio::time::sleep(span));
        let Self { net, interrupt, interrupts, .. } = self;
        core::future::poll_fn(|context| {
            let mut ready = net.poll_ready(context).is_ready();
            if interrupt.poll_recv(context).is_ready() {
                *interrupts += 1;
                ready = true;
            }
            ready |= Pin::as_mut(&mut sleep).poll(context).is_ready();
            if ready { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// Sends and arms what a machine asks for.
fn carry_out(out: &mut Out, net: &mut Net, wheel: &mut TimerWheel<Id>) {
    for send in &out.sends {
        net.send(send.from, send.to, out.bytes.get(send.start..send.end).unwrap_or_default());
    }
    for &(at, id) in &out.arms {
        wheel.arm(at, id);
    }
    out.clear();
}
