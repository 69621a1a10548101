//! DNs of a switch: types, ranges, passwords, and the index by name.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::build::{Reader, password};
use super::fields::Fields;
use super::model::{Dn, DnKind, DnObject, DnRange, Secret, ServiceType, Switch};
use super::options;
use super::report::{Report, Severity};
use super::shape::DN_TYPES;

/// DNs that one switch may have.
pub(crate) const DNS_MAX: usize = 2_000_000;
/// Stands for the number of a DN in passwords and options.
const OWN_NUMBER: &str = "{dn}";

/// Why a label of digits and a hyphen is no range.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadRange {
    #[error("the ends of the range {0} differ in length")]
    Width(String),
    #[error("the numbers of the range {0} are too long")]
    Digits(String),
    #[error("the range {0} ends before it begins")]
    Reversed(String),
    #[error("the range {0} has more than {DNS_MAX} numbers")]
    Size(String),
}

/// Adds what one entry of `dns` describes.
pub(crate) fn add(fields: Fields<'_>, switch: &mut Switch, reader: &mut Reader<'_>) {
    let kind = kind(&fields, reader.report);
    let secret = password(&fields, reader);
    let Some(label) = fields.text("name", reader.report) else {
        return;
    };
    let names = match names(label) {
        Ok(names) => names,
        Err(wrong) => {
            if let Some(node) = fields.node("name") {
                fields.misfit("name", node, &wrong.to_string(), reader.report);
            }
            return;
        }
    };
    let Some(kind) = kind else {
        return;
    };
    let options = fields.options(kind.scope(), reader.report);
    if switch.dns.len() + names.len() > DNS_MAX {
        reader.report.error(fields.place, format!("the switch has more than {DNS_MAX} DNs"));
        return;
    }
    let own = options.contains_text(OWN_NUMBER);
    let object = DnObject { label: label.into(), kind, options, place: fields.place.clone() };
    let object = Arc::new(object);
    let mut reported = BTreeSet::new();
    for name in names {
        let password =
            secret.as_ref().map(|secret| Secret::new(&secret.expose().replace(OWN_NUMBER, &name)));
        let object = if own {
            let options = object.options.replaced(OWN_NUMBER, &name);
            Arc::new(DnObject { options, ..(*object).clone() })
        } else {
            Arc::clone(&object)
        };
        insert(Dn { name: name.into(), password, object }, switch, &mut reported, reader.report);
    }
}

/// Adds a DN, or reports the clash: once per pair of entries of the file.
fn insert(
    dn: Dn,
    switch: &mut Switch,
    reported: &mut BTreeSet<super::report::Place>,
    report: &mut Report,
) {
    if let Some(other) = switch.dn(&dn.name) {
        if reported.insert(other.object.place.clone()) {
            report.error(
                &dn.object.place,
                format!("the DN {} already stands at {}", dn.name, other.object.place),
            );
        }
        return;
    }
    let Ok(position) = u32::try_from(switch.dns.len()) else {
        return;
    };
    switch.index.insert(dn.name.clone(), position);
    switch.dns.push(dn);
}

/// The numbers that a label stands for, as their first and last.
///
/// # Errors
/// When it is a range that is none.
pub(crate) fn range(label: &str) -> Result<DnRange, BadRange> {
    let names = names(label)?;
    let (first, last) = (names.first(), names.last());
    let name = |name: Option<&String>| name.map_or(label, String::as_str).into();
    Ok(DnRange { first: name(first), last: name(last) })
}

/// The names that a label stands for: itself, or every number of a range.
fn names(label: &str) -> Result<Vec<String>, BadRange> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let Some((first, last)) =
        label.split_once('-').filter(|(first, last)| digits(first) && digits(last))
    else {
        return Ok(vec![label.to_owned()]);
    };
    let width = first.len();
    if width != last.len() {
        return Err(BadRange::Width(label.to_owned()));
    }
    let (Ok(from), Ok(to)) = (first.parse::<u64>(), last.parse::<u64>()) else {
        return Err(BadRange::Digits(label.to_owned()));
    };
    if from > to {
        return Err(BadRange::Reversed(label.to_owned()));
    }
    if to - from >= DNS_MAX as u64 {
        return Err(BadRange::Size(label.to_owned()));
    }
    Ok((from..=to).map(|number| format!("{number:0width$}")).collect())
}

fn kind(fields: &Fields<'_>, report: &mut Report) -> Option<DnKind> {
    if let Some(node) = fields.node("type")
        && node.text() == Some("acd-queue")
    {
        let wrong = "ACD Queues are not supported in a SIP Cluster; use a Routing Point, and a Virtual Queue on the \
                     switch of Virtual Queues";
        fields.misfit("type", node, wrong, report);
        return None;
    }
    let position = fields.choice("type", report)?;
    Some(match DN_TYPES.get(position).copied()? {
        "acd-position" => DnKind::AcdPosition,
        "voice-treatment-port" => DnKind::VoiceTreatmentPort,
        "routing-point" => DnKind::RoutingPoint,
        "external-routing-point" => DnKind::ExternalRoutingPoint,
        "trunk" => DnKind::Trunk,
        "trunk-group" => DnKind::TrunkGroup,
        "virtual-queue" => DnKind::VirtualQueue,
        "communication-dn" => DnKind::CommunicationDn,
        "voip-service" => DnKind::VoipService(service(fields, report)?),
        _ => DnKind::Extension,
    })
}

fn service(fields: &Fields<'_>, report: &mut Report) -> Option<ServiceType> {
    let meta = options::find_in("service-type", options::Scope::ClusterDn)?;
    let Some(node) = fields.raw_option("service-type") else {
        let message = "a DN of type voip-service needs the option `service-type`".to_owned();
        report.add(Severity::Error, fields.place, message, Some(meta.help()));
        return None;
    };
    match options::parse(meta, node) {
        Err(options::Misfit::Broken) => None,
        Err(wrong) => {
            report.add(
                Severity::Error,
                &node.place,
                format!("`service-type`: {wrong}"),
                Some(meta.help()),
            );
            None
        }
        Ok(_) => match node.text().map(str::trim) {
            Some("sip-cluster-nodes") => Some(ServiceType::SipClusterNodes),
            Some("sip-outbound-proxy") => Some(ServiceType::SipOutboundProxy),
            Some("msml") => Some(ServiceType::Msml),
            Some("softswitch") => Some(ServiceType::Softswitch),
            Some("feature-server") => Some(ServiceType::FeatureServer),
            Some("voicemail") => Some(ServiceType::Voicemail),
            Some(_) | None => None,
        },
    }
}
