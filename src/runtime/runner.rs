//! Threads that turn modules.
//!
//! A thread drives one tokio runtime, whose reactor and timers serve the sockets
//! of its modules. It turns those that have work, and lets the reactor look at the
//! sockets now and then; when none has any left it sleeps until a mailbox fills, a
//! socket is ready or a deadline comes. It asks once more after the sleep was
//! announced, so that no sender can slip between the look and the sleep.
//!
//! A panic is not caught here: modules end what it hit (`decisions.md` 4). One that
//! reaches the thread stops the process.

pub use super::waker::ThreadWaker;

use super::clock::Clock;
use super::module::Module;
use crate::base::time::{Duration, Instant};
use crate::observe::prometheus::{Collect, Sheet};
use core::future::poll_fn;
use core::pin::{Pin, pin};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::task::{Context, Poll};
use std::sync::Arc;
use tokio::sync::Notify;
use tokio::time::Sleep;

/// Tells every thread of a process to end. Clones are one signal.
#[derive(Clone, Debug, Default)]
pub struct StopSignal {
    shared: Arc<Stop>,
}

#[derive(Debug, Default)]
struct Stop {
    is_stopped: AtomicBool,
    has_failed: AtomicBool,
    notify: Notify,
}

impl StopSignal {
    /// A signal that nobody has given.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks everybody to end.
    pub fn stop(&self) {
        self.shared.is_stopped.store(true, Ordering::SeqCst);
        self.shared.notify.notify_waiters();
    }

    /// Asks everybody to end because a part of the process is beyond help; the
    /// process is to end with an error code.
    pub fn fail(&self) {
        self.shared.has_failed.store(true, Ordering::SeqCst);
        self.stop();
    }

    /// Whether the signal was given.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.shared.is_stopped.load(Ordering::SeqCst)
    }

    /// Whether it was given by [`StopSignal::fail`].
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.shared.has_failed.load(Ordering::SeqCst)
    }

    /// Ends when the signal is given.
    pub async fn wait(&self) {
        let mut notified = pin!(self.shared.notify.notified());
        notified.as_mut().enable();
        if !self.is_stopped() {
            notified.await;
        }
    }
}

/// Numbers of one module on its thread.
#[derive(Debug)]
pub struct ModuleStats {
    name: Box<str>,
    turns: AtomicU64,
    work: AtomicU64,
    longest_turn_ns: AtomicU64,
}

impl ModuleStats {
    /// Name of the module.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Turns since the start.
    #[must_use]
    pub fn turns(&self) -> u64 {
        self.turns.load(Ordering::Relaxed)
    }

    /// Work done since the start, in the module's own count.
    #[must_use]
    pub fn work(&self) -> u64 {
        self.work.load(Ordering::Relaxed)
    }

    /// The longest turn since the start.
    #[must_use]
    pub fn longest_turn(&self) -> Duration {
        Duration::from_nanos(self.longest_turn_ns.load(Ordering::Relaxed))
    }

    /// The thread of the module is the only writer.
    fn note(&self, work: usize, span: Duration) {
        let add = |counter: &AtomicU64, by: u64| {
            counter.store(counter.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
        };
        add(&self.turns, 1);
        add(&self.work, work as u64);
        let span = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        if span > self.longest_turn_ns.load(Ordering::Relaxed) {
            self.longest_turn_ns.store(span, Ordering::Relaxed);
        }
    }
}

/// Numbers of one thread.
#[derive(Debug)]
pub struct ThreadStats {
    name: Box<str>,
    sleeps: AtomicU64,
    modules: Vec<ModuleStats>,
}

impl ThreadStats {
    fn new(name: &str, modules: &[Box<dyn Module>]) -> Self {
        let modules = modules.iter().map(|module| ModuleStats {
            name: module.name().into(),
            turns: AtomicU64::new(0),
            work: AtomicU64::new(0),
            longest_turn_ns: AtomicU64::new(0),
        });
        Self { name: name.into(), sleeps: AtomicU64::new(0), modules: modules.collect() }
    }

    /// Name of the thread.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How often the thread went to sleep.
    #[must_use]
    pub fn sleeps(&self) -> u64 {
        self.sleeps.load(Ordering::Relaxed)
    }

    /// Its modules, in the order of their turns.
    #[must_use]
    pub fn modules(&self) -> &[ModuleStats] {
        &self.modules
    }
}

impl Collect for ThreadStats {
    fn collect(&self, sheet: &mut Sheet) {
        for stats in &self.modules {
            // Modules are named after their application and their thread of the guide.
            let (node, module) = stats.name().rsplit_once('-').unwrap_or((stats.name(), ""));
            let labels = [("node", node), ("module", module)];
            sheet.counter("turns", "Turns of a module", &labels, stats.turns());
            sheet.counter("turn_work", "Work of a module, as it counts it", &labels, stats.work());
            let help = "Longest turn of a module since the start";
            sheet.gauge("turn_seconds_max", help, &labels, stats.longest_turn().as_secs_f64());
        }
        let help = "How often a module thread went to sleep";
        sheet.counter("thread_sleeps", help, &[("thread", self.name())], self.sleeps());
    }
}

/// A thread that did not end as it should; the log says why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("thread {0} died")]
pub struct ThreadDied(pub String);

/// A running module thread.
#[derive(Debug)]
pub struct JoinHandle {
    thread: Option<std::thread::JoinHandle<()>>,
    stats: Arc<ThreadStats>,
}

impl JoinHandle {
    /// Its numbers.
    #[must_use]
    pub fn stats(&self) -> Arc<ThreadStats> {
        Arc::clone(&self.stats)
    }

    /// Waits until the thread has ended.
    ///
    /// # Errors
    /// When it never ran or panicked.
    pub fn join(self) -> Result<(), ThreadDied> {
        let ended_well = self.thread.is_some_and(|thread| thread.join().is_ok());
        if ended_well { Ok(()) } else { Err(ThreadDied(self.stats.name.to_string())) }
    }
}

/// Says so and stops the process when its thread ends before it was told to.
struct DeathWatch {
    name: String,
    stop: StopSignal,
    is_over: bool,
}

impl Drop for DeathWatch {
    fn drop(&mut self) {
        if !self.is_over {
            tracing::error!(thread = self.name, "a module thread died, the process stops");
            self.stop.fail();
        }
    }
}

/// Starts a thread that turns `modules` until `stop` is given, pinned to the processor
/// `core` if one is named and there. A thread that cannot start fails the stop
/// signal like one that dies.
#[must_use]
pub fn spawn_thread(
    name: String,
    core: Option<usize>,
    modules: Vec<Box<dyn Module>>,
    clock: Clock,
    stop: StopSignal,
) -> JoinHandle {
    let stats = Arc::new(ThreadStats::new(&name, &modules));
    let is_ready = vec![true; modules.len()];
    let thread = Thread { modules, is_ready, clock, stop: stop.clone(), stats: Arc::clone(&stats) };
    let watch = DeathWatch { name: name.clone(), stop, is_over: false };
    let body = move || {
        let mut watch = watch;
        if let Some(id) = core
            && !core_affinity::set_for_current(core_affinity::CoreId { id })
        {
            tracing::warn!(thread = watch.name, core = id, "the thread cannot be pinned");
        }
        watch.is_over = thread.run();
    };
    match std::thread::Builder::new().name(name.clone()).spawn(body) {
        Ok(thread) => JoinHandle { thread: Some(thread), stats },
        Err(error) => {
            tracing::error!(thread = name, %error, "a module thread cannot start");
            JoinHandle { thread: None, stats }
        }
    }
}

/// Turns in a row between two looks at the sockets, while there is work.
const TURNS_PER_LOOK: usize = 4;

struct Thread {
    modules: Vec<Box<dyn Module>>,
    /// Those whose sockets have work; all at the start.
    is_ready: Vec<bool>,
    clock: Clock,
    stop: StopSignal,
    stats: Arc<ThreadStats>,
}

impl Thread {
    /// Whether it ended because it was told to.
    fn run(mut self) -> bool {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => {
                tracing::error!(thread = &*self.stats.name, %error, "no reactor for the thread");
                return false;
            }
        };
        runtime.block_on(self.turn_until_stopped());
        // A name that is still being looked up must not hold the end up.
        runtime.shutdown_background();
        true
    }

    async fn turn_until_stopped(&mut self) {
        let waker = ThreadWaker::new();
        for module in &mut self.modules {
            module.set_waker(&waker);
            module.start();
        }
        let stop = self.stop.clone();
        let timer = tokio::time::sleep(Duration::ZERO);
        let origin = (self.clock.now(), timer.deadline());
        let mut bed =
            Bed { stopped: pin!(stop.wait()), timer: pin!(timer), timer_at: origin.0, origin };
        while !self.stop.is_stopped() {
            let now = self.turn_while_there_is_work();
            waker.announce_sleep();
            if self.has_work(now) {
                waker.announce_awake();
                self.look_at_sockets().await;
            } else {
                self.sleep(&waker, &mut bed).await;
                waker.announce_awake();
            }
        }
        for module in &mut self.modules {
            module.stop();
        }
    }

    /// Turns modules until none has work, or until the sockets are to be looked at, and
    /// gives the time.
    fn turn_while_there_is_work(&mut self) -> Instant {
        let mut now = self.clock.now();
        for _ in 0..TURNS_PER_LOOK {
            if !self.turn_those_with_work(&mut now) {
                break;
            }
        }
        now
    }

    /// One turn of each module that wants one, and whether there was any; the reading
    /// that ends one turn begins the next.
    fn turn_those_with_work(&mut self, now: &mut Instant) -> bool {
        let mut was_any = false;
        for index in 0..self.modules.len() {
            let module = &mut self.modules[index];
            if !core::mem::take(&mut self.is_ready[index]) && !has_work(&**module, *now) {
                continue;
            }
            let work = module.turn(*now);
            let end = self.clock.now();
            self.stats.modules[index].note(work, end - *now);
            *now = end;
            was_any = true;
        }
        was_any
    }

    fn has_work(&self, now: Instant) -> bool {
        self.modules.iter().any(|module| has_work(&**module, now))
    }

    /// Lets the reactor look at the sockets, and sees whose are ready.
    async fn look_at_sockets(&mut self) {
        tokio::task::yield_now().await;
        poll_fn(|cx| {
            self.poll_sockets(cx);
            Poll::Ready(())
        })
        .await;
    }

    /// Asks all modules, so that each is woken by its own, and says whether any is ready.
    fn poll_sockets(&mut self, cx: &mut Context<'_>) -> bool {
        let mut is_any = false;
        for (module, is_ready) in self.modules.iter_mut().zip(&mut self.is_ready) {
            *is_ready |= module.poll_io(cx).is_ready();
            is_any |= *is_ready;
        }
        is_any
    }

    async fn sleep(&mut self, waker: &ThreadWaker, bed: &mut Bed<'_, impl Future<Output = ()>>) {
        let deadlines = self.modules.iter().map(|module| module.next_deadline());
        let deadline = deadlines.min().unwrap_or(Instant::NEVER);
        self.stats.sleeps.fetch_add(1, Ordering::Relaxed);
        if deadline != Instant::NEVER && deadline != bed.timer_at {
            let (ours, tokios) = bed.origin;
            bed.timer.as_mut().reset(tokios + (deadline - ours));
            bed.timer_at = deadline;
        }
        poll_fn(|cx| {
            let is_over = self.poll_sockets(cx)
                | waker.poll_woken(cx).is_ready()
                | bed.stopped.as_mut().poll(cx).is_ready()
                || deadline != Instant::NEVER && bed.timer.as_mut().poll(cx).is_ready();
            if is_over { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// Whether a module wants a turn, its sockets apart.
fn has_work(module: &dyn Module, now: Instant) -> bool {
    module.has_work() || module.next_deadline() <= now
}

/// What a thread sleeps on, kept from one sleep to the next: most end by a socket, and
/// a timer need not be set anew for the same deadline.
struct Bed<'b, S> {
    stopped: Pin<&'b mut S>,
    timer: Pin<&'b mut Sleep>,
    /// The deadline that the timer is set for.
    timer_at: Instant,
    /// One time by the clock of the thread and by that of its runtime.
    origin: (Instant, tokio::time::Instant),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::prometheus::Registry;
    use crate::runtime::mailbox::{Class, Inbox, Mail, mailbox};

    /// Passes each number on, one less; stops everything at zero.
    struct Countdown {
        inbox: Inbox<u32>,
        next: Mail<u32>,
        stop: StopSignal,
    }

    impl Module for Countdown {
        fn name(&self) -> &str {
            "countdown"
        }

        fn set_waker(&mut self, waker: &Arc<ThreadWaker>) {
            self.inbox.set_waker(Arc::clone(waker));
        }

        fn turn(&mut self, _now: Instant) -> usize {
            let mut numbers = Vec::new();
            let count = self.inbox.take(&mut numbers, 10);
            for number in numbers {
                match number.checked_sub(1) {
                    Some(less) => self.next.send(Class::Internal, less).expect("room"),
                    None => self.stop.stop(),
                }
            }
            count
        }

        fn has_work(&self) -> bool {
            !self.inbox.is_empty()
        }
    }

    #[test]
    fn two_threads_wake_each_other() {
        let (clock, stop) = (Clock::start(), StopSignal::new());
        let (to_first, first) = mailbox("first", 4);
        let (to_second, second) = mailbox("second", 4);
        let start = to_first.clone();
        let threads: Vec<JoinHandle> = [(first, to_second), (second, to_first)]
            .into_iter()
            .map(|(inbox, next)| {
                let module = Box::new(Countdown { inbox, next, stop: stop.clone() });
                spawn_thread("countdown".into(), None, vec![module], clock, stop.clone())
            })
            .collect();
        start.send(Class::Internal, 2_001).expect("room");
        let stats: Vec<_> = threads.iter().map(JoinHandle::stats).collect();
        for thread in threads {
            assert_eq!(thread.join(), Ok(()));
        }
        assert!(!stop.has_failed());
        let work: u64 = stats.iter().map(|stats| stats.modules()[0].work()).sum();
        assert_eq!(work, 2_002);
        assert!(stats.iter().all(|stats| stats.modules()[0].longest_turn() > Duration::ZERO));
    }

    /// Wants a turn at a deadline and stops everything then.
    struct Alarm {
        at: Instant,
        seen: Arc<AtomicU64>,
        stop: StopSignal,
    }

    impl Module for Alarm {
        fn name(&self) -> &str {
            "SIPS_1-alarm"
        }

        fn set_waker(&mut self, _waker: &Arc<ThreadWaker>) {}

        fn turn(&mut self, now: Instant) -> usize {
            if now >= self.at {
                self.stop.stop();
            }
            0
        }

        fn has_work(&self) -> bool {
            false
        }

        fn next_deadline(&self) -> Instant {
            self.at
        }

        fn stop(&mut self) {
            self.seen.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_deadline_ends_the_sleep_and_stop_is_called_once() {
        let (clock, stop) = (Clock::start(), StopSignal::new());
        let seen = Arc::new(AtomicU64::new(0));
        // Far enough away that the thread is up before it, however busy the machine is.
        let at = clock.now() + Duration::from_millis(500);
        let module = Box::new(Alarm { at, seen: Arc::clone(&seen), stop: stop.clone() });
        let thread = spawn_thread("alarm".into(), None, vec![module], clock, stop);
        let stats = thread.stats();
        let mut registry = Registry::new();
        registry.add(thread.stats());
        assert_eq!(thread.join(), Ok(()));
        let page = registry.render();
        for name in ["turns_total", "turn_seconds_max", "turn_work_total"] {
            let line = format!("sipcluster_{name}{{node=\"SIPS_1\",module=\"alarm\"}} ");
            assert!(page.contains(&line), "{line} in {page}");
        }
        assert!(page.contains("sipcluster_thread_sleeps_total{thread=\"alarm\"} "), "{page}");
        assert_eq!(seen.load(Ordering::SeqCst), 1);
        assert!(clock.now() >= at);
        assert!(stats.sleeps() >= 1 && stats.modules()[0].turns() < 100, "it slept");
    }

    struct Bomb;

    impl Module for Bomb {
        fn name(&self) -> &str {
            "bomb"
        }

        fn set_waker(&mut self, _waker: &Arc<ThreadWaker>) {}

        fn turn(&mut self, _now: Instant) -> usize {
            panic!("as planned")
        }

        fn has_work(&self) -> bool {
            false
        }
    }

    #[test]
    fn a_thread_that_dies_stops_the_process() {
        let stop = StopSignal::new();
        let thread =
            spawn_thread("bomb".into(), None, vec![Box::new(Bomb)], Clock::start(), stop.clone());
        assert_eq!(thread.join(), Err(ThreadDied("bomb".into())));
        assert!(stop.is_stopped() && stop.has_failed());
    }

    #[test]
    fn a_signal_given_before_the_wait_is_seen() {
        let stop = StopSignal::new();
        let mut cx = Context::from_waker(core::task::Waker::noop());
        assert!(pin!(stop.wait()).poll(&mut cx).is_pending());
        stop.clone().stop();
        assert!(pin!(stop.wait()).poll(&mut cx).is_ready());
        assert!(!stop.has_failed());
    }
}
