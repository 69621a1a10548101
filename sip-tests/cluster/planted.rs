//! The checkers are checked: a bug is planted in one application of worlds that
//! are otherwise good, and within a bound of seeds the audit names it.

use sipcluster::sim::mischief::Mischief;
use sipcluster::sim::world::{Setup, World};

/// Seeds within which a bug must be found (`issue 3`).
const SEEDS_MAX: u64 = 1_000;

/// A drawn world in which nobody dies and no turn breaks, with a bug or none.
fn setup(seed: u64, mischief: Option<Mischief>) -> Setup {
    Setup { mischief, kills: Vec::new(), breaks: 0, ..Setup::drawn(seed) }
}

/// Runs seeds until something is found; it must be by the rule that the bug breaks,
/// and the same world without the bug must be good.
#[expect(clippy::print_stdout, reason = "`--nocapture` tells which seed found what")]
fn find(mischief: Mischief, rule: &str) {
    for seed in 1..=SEEDS_MAX {
        let findings = World::new(setup(seed, Some(mischief))).run();
        if findings.is_empty() {
            continue;
        }
        let rules: std::collections::BTreeSet<&str> =
            findings.iter().map(|finding| finding.rule).collect();
        assert!(rules.contains(rule), "{mischief:?} is found by {rules:?} at seed {seed}");
        assert_eq!(World::new(setup(seed, None)).run(), [], "seed {seed} without the bug");
        println!("{mischief:?}: seed {seed}, by {rules:?}");
        return;
    }
    panic!("{mischief:?} is not found within {SEEDS_MAX} seeds");
}

#[test]
fn a_lost_ack_is_found() {
    find(Mischief::SuccessAckLost, "ack");
    find(Mischief::RefusalAckLost, "ack");
}

#[test]
fn a_doubled_bye_is_found() {
    find(Mischief::ByeDoubled, "cseq");
}

#[test]
fn a_wrong_number_is_found() {
    find(Mischief::NumberSkipped, "cseq");
    find(Mischief::NumberRepeated, "cseq");
}

#[test]
fn a_stale_timer_is_found() {
    find(Mischief::ClientTimerLost, "repeat");
    find(Mischief::LegTimerLost, "repeat");
    find(Mischief::NoAnswerTimerLost, "outcome");
    find(Mischief::ProxyTimerLost, "left-over");
}

#[test]
fn a_changed_tag_is_found() {
    find(Mischief::TagChanged, "tags");
}

#[test]
fn a_missing_cancel_is_found() {
    find(Mischief::CancelLost, "cancel");
}

#[test]
fn a_record_too_few_or_too_many_is_found() {
    find(Mischief::RecordLost, "record");
    find(Mischief::RecordDoubled, "record");
}

#[test]
fn a_branch_used_again_is_found() {
    find(Mischief::BranchReused, "branch");
}

#[test]
fn a_wrong_description_is_found() {
    find(Mischief::VersionKept, "version");
    find(Mischief::VersionRaised, "version");
    find(Mischief::DescriptionChanged, "description");
}

#[test]
fn an_answer_after_a_refusal_is_found() {
    find(Mischief::AnswerAfterRefusal, "second-final");
}

#[test]
fn a_way_that_is_lost_is_found() {
    find(Mischief::RecordRouteLost, "record-route");
    find(Mischief::RouteNotCopied, "record-route");
    find(Mischief::ResponseAstray, "via");
}

#[test]
fn a_border_that_leaks_is_found() {
    find(Mischief::SecretTold, "secrets");
    find(Mischief::HopsKept, "max-forwards");
}

#[test]
fn a_wrong_reliable_response_is_found() {
    find(Mischief::WrongRack, "rack");
    find(Mischief::RseqRaised, "rseq");
}

#[test]
fn a_session_without_its_refresher_is_found() {
    find(Mischief::RefresherLost, "session");
}
