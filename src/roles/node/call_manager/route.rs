//! Where a dialled number leads: a pure function of number, configuration and
//! what is in service.

use super::settings::{DnKind, Settings, Trunk};
use crate::base::leg::Cause;

/// DNs that one call may be sent on to before it counts as a loop.
const FORWARDS_MAX: usize = 8;

/// Where a call goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// To the phones registered for a DN.
    Extension {
        /// Name of the DN.
        dn: Box<str>,
    },
    /// To the outside.
    Trunk {
        /// Index in the settings.
        index: usize,
        /// Number as the trunk gets it.
        number: Box<str>,
    },
    /// Nowhere.
    Refused(Cause),
}

/// Finds the way of a number. `is_down` tells which trunks are out of service.
#[must_use]
pub fn route(settings: &Settings, dialled: &str, is_down: &dyn Fn(&str) -> bool) -> Route {
    let mut number: Box<str> = dialled.into();
    for _ in 0..FORWARDS_MAX {
        match settings.dns.get(&number) {
            Some(DnKind::Extension { .. }) => return Route::Extension { dn: number },
            Some(DnKind::RoutingPoint { default_dn: Some(next) }) => number = next.clone(),
            Some(DnKind::RoutingPoint { default_dn: None }) => {
                return Route::Refused(Cause::with_q850(480, 20, "no router"));
            }
            None => match by_trunk(settings, &number, is_down) {
                Some(found) => return found,
                None => match &settings.default_route_point {
                    Ok(next) if *next != number && settings.dns.contains_key(next) => {
                        number = next.clone()
                    }
                    Ok(_) => return Route::Refused(Cause::code(404)),
                    Err(code) => return Route::Refused(Cause::code(*code)),
                },
            },
        }
    }
    Route::Refused(Cause::code(482))
}

/// The trunk with the longest prefix of the number, then the smallest priority;
/// those of the own data centre before any other where `find-trunk-by-location` says
/// so.
fn by_trunk(settings: &Settings, number: &str, is_down: &dyn Fn(&str) -> bool) -> Option<Route> {
    let fits = |trunk: &Trunk| {
        !trunk.prefix.is_empty()
            && number.len() > trunk.prefix.len()
            && number.starts_with(&*trunk.prefix)
    };
    let is_far = |trunk: &Trunk| {
        settings.find_trunk_by_location && trunk.geo_location != settings.geo_location
    };
    let all = settings.trunks.iter().enumerate().filter(|(_, trunk)| fits(trunk));
    let best =
        all.clone().filter(|(_, trunk)| !is_down(&trunk.name)).min_by_key(|(index, trunk)| {
            (is_far(trunk), core::cmp::Reverse(trunk.prefix.len()), trunk.priority, *index)
        });
    match best {
        Some((index, trunk)) => {
            let rest = &number[trunk.prefix.len()..];
            let number = match &trunk.replace_prefix {
                Some(digits) => format!("{digits}{rest}").into(),
                None => number.into(),
            };
            Some(Route::Trunk { index, number })
        }
        None if all.count() > 0 => {
            Some(Route::Refused(Cause::with_q850(503, 34, "trunks out of service")))
        }
        None => None,
    }
}
