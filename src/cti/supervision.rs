//! Who wants to watch whom: subscriptions of supervisors, and who waits for the next call of a
//! target (guide, "Call supervision during IVR phase"; `genesys/tlib.md` 6.13, 6.14).

use super::refusal::Refusal;
use super::tlib::{Attributes, ErrorCode, KvList, KvPair, MonitorNextCallType};
use crate::base::id::NodeId;
use std::collections::BTreeMap;

/// Extension of TMonitorNextCall: how the supervisor joins.
const MODE: &str = "MonitorMode";
/// Extension of TMonitorNextCall: how long the supervisor stays.
const SCOPE: &str = "MonitorScope";

/// What a supervisor joins a call as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Nobody hears the supervisor.
    #[default]
    Silent,
    /// The agent alone does.
    Coach,
    /// All do.
    Connect,
}

impl Mode {
    /// As the extension names it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Coach => "coach",
            Self::Connect => "connect",
        }
    }

    /// By its name, and by those that T-Servers know besides.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        match name {
            "silent" | "mute" | "normal" => Some(Self::Silent),
            "coach" | "whisper" => Some(Self::Coach),
            "connect" | "open" => Some(Self::Connect),
            _ => None,
        }
    }
}

/// How long a supervisor stays in a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// As long as the agent.
    #[default]
    Agent,
    /// Until the call ends.
    Call,
}

impl Scope {
    /// As the extension names it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Call => "call",
        }
    }

    /// By its name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        match name {
            "agent" => Some(Self::Agent),
            "call" => Some(Self::Call),
            _ => None,
        }
    }
}

/// What can be watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The agent at a DN.
    Agent,
    /// Calls that a Routing Point treats.
    RoutingPoint,
}

/// A supervisor's wish to watch the next call of a target, or all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The DN that is watched.
    pub target: Box<str>,
    /// One call, or all.
    pub calls: MonitorNextCallType,
    /// What the supervisor joins as.
    pub mode: Mode,
    /// How long the supervisor stays.
    pub scope: Scope,
}

impl Subscription {
    /// TMonitorNextCall for a target of that kind.
    ///
    /// # Errors
    /// When an attribute is missing or has no valid value, or the kind of target does not allow
    /// it: calls that a Routing Point treats are watched silently and until they end.
    pub fn asked(given: &Attributes, target: &str, kind: Target) -> Result<Self, Refusal> {
        let calls = given.monitor_next_call_type.and_then(|calls| calls.try_into().ok());
        let calls = calls.ok_or_else(|| Refusal::attribute("MonitorNextCallType"))?;
        let extension = |key| {
            let list = given.extensions.as_ref().filter(|list| list.find(key).is_some())?;
            Some(list.text(key).unwrap_or_default())
        };
        let mode = match extension(MODE) {
            Some(text) => {
                Mode::of(text).ok_or_else(|| Refusal::attribute("Extensions/MonitorMode"))?
            }
            None => Mode::default(),
        };
        let usual = match kind {
            Target::Agent => Scope::Agent,
            Target::RoutingPoint => Scope::Call,
        };
        let scope = match extension(SCOPE) {
            Some(text) => {
                Scope::of(text).ok_or_else(|| Refusal::attribute("Extensions/MonitorScope"))?
            }
            None => usual,
        };
        if kind == Target::RoutingPoint && (mode, scope) != (Mode::Silent, Scope::Call) {
            let text = "calls of a Routing Point are watched with MonitorMode silent and MonitorScope call only";
            return Err(Refusal::new(ErrorCode::ErrorInvalidAttribute, text));
        }
        Ok(Self { target: target.into(), calls, mode, scope })
    }

    /// As EventMonitoringNextCall and EventMonitoringCancelled tell it.
    #[must_use]
    pub fn attributes(&self) -> Attributes {
        let pairs =
            vec![KvPair::text(MODE, self.mode.as_str()), KvPair::text(SCOPE, self.scope.as_str())];
        Attributes {
            other_dn: Some(self.target.to_string()),
            monitor_next_call_type: Some(self.calls.into()),
            extensions: Some(KvList { pairs }),
            ..Attributes::default()
        }
    }
}

/// A supervisor who waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Supervisor {
    /// The supervisor's DN.
    pub dn: Box<str>,
    /// Who is logged in there; empty for nobody.
    pub agent_id: Box<str>,
    /// The node that owns that DN.
    pub node: NodeId,
    /// What was asked for.
    pub subscription: Subscription,
}

/// Who waits for calls of each target, the first to be asked first.
#[derive(Clone, Debug, Default)]
pub struct Waiting {
    by_target: BTreeMap<Box<str>, Vec<Supervisor>>,
}

impl Waiting {
    /// A supervisor waits. One who does already, for that target, keeps the place.
    pub fn enter(&mut self, supervisor: Supervisor) {
        let target = supervisor.subscription.target.clone();
        let waits = self
            .by_target
            .get(&target)
            .and_then(|waiting| waiting.iter().position(|one| one.dn == supervisor.dn));
        if waits.is_none() {
            self.leave(&supervisor.dn);
        }
        let waiting = self.by_target.entry(target).or_default();
        match waits {
            Some(place) => waiting[place] = supervisor,
            None => waiting.push(supervisor),
        }
    }

    /// The supervisor at a DN does not wait any more.
    pub fn leave(&mut self, dn: &str) {
        self.retain(|one| &*one.dn != dn);
    }

    /// Nor does anybody at a DN of that node.
    pub fn leave_all_of(&mut self, node: NodeId) {
        self.retain(|one| one.node != node);
    }

    /// Who waits for a call of a target, in order.
    #[must_use]
    pub fn of(&self, target: &str) -> &[Supervisor] {
        self.by_target.get(target).map(Vec::as_slice).unwrap_or_default()
    }

    fn retain(&mut self, stays: impl Fn(&Supervisor) -> bool) {
        self.by_target.retain(|_, waiting| {
            waiting.retain(&stays);
            !waiting.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(calls: Option<i32>, extensions: &[(&str, &str)]) -> Attributes {
        let pairs = extensions.iter().map(|(key, text)| KvPair::text(key, text)).collect();
        let extensions = Some(KvList { pairs });
        Attributes { monitor_next_call_type: calls, extensions, ..Attributes::default() }
    }

    #[test]
    fn what_is_asked_for_fits_the_target() {
        use Target::{Agent, RoutingPoint};
        let good = |calls, extensions: &[_], kind| {
            let asked = Subscription::asked(&asked(Some(calls), extensions), "5000", kind);
            asked.map(|one| (one.calls, one.mode, one.scope)).map_err(|refusal| refusal.code)
        };
        let (one, all) =
            (MonitorNextCallType::MonitorOneCall, MonitorNextCallType::MonitorAllCalls);
        let refused = Err(ErrorCode::ErrorInvalidAttribute);
        for (calls, extensions, kind, expected) in [
            (0, &[][..], Agent, Ok((one, Mode::Silent, Scope::Agent))),
            (1, &[], RoutingPoint, Ok((all, Mode::Silent, Scope::Call))),
            (1, &[(MODE, "coach"), (SCOPE, "call")], Agent, Ok((all, Mode::Coach, Scope::Call))),
            (0, &[("monitormode", "open")], Agent, Ok((one, Mode::Connect, Scope::Agent))),
            (
                0,
                &[(MODE, "mute"), (SCOPE, "call")],
                RoutingPoint,
                Ok((one, Mode::Silent, Scope::Call)),
            ),
            (0, &[(MODE, "coach")], RoutingPoint, refused),
            (0, &[(SCOPE, "agent")], RoutingPoint, refused),
            (0, &[(MODE, "loud")], Agent, refused),
            (0, &[(SCOPE, "")], Agent, refused),
            (2, &[], Agent, refused),
        ] {
            assert_eq!(good(calls, extensions, kind), expected, "{calls} {extensions:?} {kind:?}");
        }
        let nothing = Subscription::asked(&asked(None, &[]), "5000", Agent);
        assert_eq!(nothing.map_err(|refusal| refusal.code), Err(ErrorCode::ErrorInvalidAttribute));
    }

    #[test]
    fn supervisors_wait_in_the_order_in_which_they_came() {
        let node = |number| NodeId::new(number).expect("in range");
        let supervisor = |dn: &str, target: &str, number| Supervisor {
            dn: dn.into(),
            agent_id: "alice".into(),
            node: node(number),
            subscription: Subscription {
                target: target.into(),
                calls: MonitorNextCallType::MonitorAllCalls,
                mode: Mode::Silent,
                scope: Scope::Call,
            },
        };
        let mut waiting = Waiting::default();
        for (dn, target, number) in [
            ("1", "5000", 1),
            ("2", "5000", 2),
            ("3", "6000", 1),
            ("1", "5000", 1),
            ("4", "5000", 2),
        ] {
            waiting.enter(supervisor(dn, target, number));
        }
        let of = |waiting: &Waiting, target| {
            waiting.of(target).iter().map(|one| one.dn.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(of(&waiting, "5000"), ["1", "2", "4"]);
        // Who watches another target waits for this one no more.
        waiting.enter(supervisor("1", "6000", 1));
        assert_eq!(
            (of(&waiting, "5000"), of(&waiting, "6000")),
            (vec!["2".to_owned(), "4".to_owned()], vec!["3".to_owned(), "1".to_owned()])
        );
        waiting.leave("4");
        waiting.leave_all_of(node(1));
        assert_eq!(
            (of(&waiting, "5000"), of(&waiting, "6000")),
            (vec!["2".to_owned()], Vec::new())
        );
        assert!(waiting.of("7000").is_empty());
    }
}
