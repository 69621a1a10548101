//! The phones and the trunk of a world, and what everybody is called.

use super::cluster;
use super::ladder::Names;
use super::phone::{Account, Phone};
use super::world::{Setup, numbers};
use crate::base::flow::Protocol;
use crate::base::id::Ids;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A phone in the making: number, preference of its contact, which of several.
struct Device {
    number: String,
    q: Option<&'static str>,
    place: usize,
}

fn devices() -> Vec<Device> {
    let numbers = numbers();
    let device = |number: &String, q, place| Device { number: number.clone(), q, place };
    let mut devices: Vec<Device> =
        numbers.phones.iter().map(|number| device(number, None, 0)).collect();
    devices.push(device(&numbers.together, None, 0));
    devices.push(device(&numbers.together, None, 1));
    devices.push(device(&numbers.serial, Some("1.0"), 0));
    devices.push(device(&numbers.serial, Some("0.5"), 1));
    devices.push(device(&numbers.moving, None, 0));
    devices
}

/// All phones, the trunk among them.
pub(super) fn make_phones(setup: &Setup, random: &mut Ids) -> Vec<Phone> {
    let plans = Arc::new(setup.plans.clone());
    let trunk = numbers().trunk;
    let address =
        |index: usize| if index == trunk { cluster::trunk() } else { cluster::phone(index) };
    let mut phones = Vec::new();
    for (index, device) in devices().into_iter().enumerate() {
        let mut proxies = cluster::proxies();
        let start = random.below(proxies.len() as u64) as usize;
        proxies.rotate_left(start);
        let is_trunk = index == trunk;
        let stream = setup.streams.contains(&index) && !is_trunk && !setup.direct;
        let peers = devices().into_iter().enumerate().filter(|_| setup.direct);
        let account = Account {
            password: (!is_trunk).then(|| format!("secret-{}", device.number)),
            number: device.number,
            q: device.q,
            device: device.place,
            address: address(index),
            protocol: if stream { Protocol::Tcp } else { Protocol::Udp },
            proxies,
            peers: peers.map(|(index, peer)| (peer.number, address(index))).collect(),
        };
        phones.push(Phone::new(account, plans.clone(), random.next_u64()));
    }
    phones
}

/// What everybody is called in ladders.
pub(super) fn names_of(phones: &[Phone]) -> Names {
    let mut names = BTreeMap::new();
    for (index, address) in cluster::proxies().into_iter().enumerate() {
        names.insert(address, format!("proxy{}", index + 1));
    }
    for (index, address) in cluster::nodes().into_iter().enumerate() {
        names.insert(address, format!("node{}", index + 1));
    }
    for (index, phone) in phones.iter().enumerate() {
        let before = phones.iter().take(index).filter(|other| other.number() == phone.number());
        let suffix = if before.count() > 0 { "b" } else { "" };
        let trunk = phone.address() == cluster::trunk();
        let name = if trunk { "trunk".to_owned() } else { format!("{}{suffix}", phone.number()) };
        names.insert(phone.address(), name);
    }
    Names(names)
}
