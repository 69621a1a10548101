//! The dialog that a new INVITE names in Replaces (RFC 3891 6.1) or Join
//! (RFC 3911 7.1).

use super::message::text::Params;
use super::message::{HeaderId, Message};
use crate::base::id::LegWord;
use crate::base::seal::{Kind, Sealer};

/// The leg of this cluster that a request names: our tags, and the Call-IDs of
/// calls that we made, are sealed words of legs. `None` where it names no dialog,
/// or one that is not ours.
#[must_use]
pub fn named_leg(request: &Message, sealer: &Sealer) -> Option<LegWord> {
    let value = request.header(HeaderId::Replaces).or_else(|| request.header(HeaderId::Join))?;
    let end = memchr::memchr(b';', value).unwrap_or(value.len());
    let (call_id, params) = (value[..end].trim_ascii(), &value[end..]);
    let tag = |name: &[u8]| sealer.open(Kind::Tag, Params::new(params).get(name)?);
    let word = tag(b"to-tag")
        .or_else(|| tag(b"from-tag"))
        .or_else(|| sealer.open(Kind::CallId, call_id))?;
    LegWord::open(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::{NodeId, Shard, Slot};

    #[test]
    fn a_dialog_is_known_by_any_word_of_ours() {
        let sealer = Sealer::of(b"one");
        let leg = LegWord {
            node: NodeId::new(7).expect("good"),
            shard: Shard(2),
            slot: Slot { index: 5, generation: 3 },
        };
        let tag = sealer.seal(Kind::Tag, leg.word());
        let call_id = sealer.seal(Kind::CallId, leg.word());
        let foreign = Sealer::of(b"two").seal(Kind::Tag, leg.word());
        for (header, ours) in [
            (format!("Replaces: x@h;to-tag={tag};from-tag=a"), true),
            (format!("Replaces: x@h ; from-tag={tag};to-tag=a;early-only"), true),
            (format!("Replaces: {call_id};to-tag=a;from-tag=b"), true),
            (format!("Join: x@h;to-tag={tag};from-tag=a"), true),
            ("Replaces: x@h;to-tag=a;from-tag=b".to_owned(), false),
            (format!("Replaces: x@h;to-tag={foreign};from-tag=b"), false),
            (format!("Replaces: x@h;to-tag={call_id};from-tag=b"), false),
            ("Replaces: ;;=;to-tag".to_owned(), false),
            ("Replaces: ".to_owned(), false),
            (format!("Subject: x@h;to-tag={tag};from-tag=a"), false),
        ] {
            let text = format!("INVITE sip:1@h SIP/2.0\r\n{header}\r\nContent-Length: 0\r\n\r\n");
            let request = super::super::message::scan(text.into_bytes()).expect("a message");
            assert_eq!(named_leg(&request, &sealer), ours.then_some(leg), "{header}");
        }
    }
}
