//! The cluster of `config/quickstart.yaml` as values: two proxies, two nodes,
//! extensions 7001 and up, one trunk.

use crate::base::flow::Protocol;
use crate::base::id::{Ids, NodeId, Shard};
use crate::base::ownership::{DnIndex, DnWord};
use crate::base::seal::Sealer;
use crate::base::time::{Duration, WallTime};
use crate::roles::node::call_manager::core as node;
use crate::roles::node::call_manager::settings::{DnKind, Settings as NodeSettings, Trunk};
use crate::roles::sip_proxy::proxy::core as proxy;
use crate::roles::sip_proxy::proxy::settings::{
    NodeSettings as NodeOfProxy, Settings as ProxySettings,
};
use crate::sip::auth::{Authenticator, NonceKeys, Policy};
use crate::sip::user_agent;
use core::net::{IpAddr, SocketAddr};
use std::collections::HashMap;
use std::sync::Arc;

/// Realm: the switch.
const REALM: &str = "SIP_Cluster";
/// Wall time at the start of every run.
pub const WALL_START: WallTime = WallTime(1_795_209_494_000);
/// Ring time after which a node gives a call up.
pub const NO_ANSWER: Duration = Duration::from_secs(20);

/// What `sip-error-conversion` of the trunk makes of a refusal.
pub const CONVERSION: (u16, u16) = (410, 404);

/// Addresses of the proxies.
#[must_use]
pub fn proxies() -> Vec<SocketAddr> {
    vec![address([127, 0, 0, 1], 5060), address([127, 0, 0, 2], 5060)]
}

/// Addresses of the nodes.
#[must_use]
pub fn nodes() -> Vec<SocketAddr> {
    vec![address([127, 0, 0, 1], 5070), address([127, 0, 0, 2], 5070)]
}

/// Address of what plays the SBC.
#[must_use]
pub fn trunk() -> SocketAddr {
    address([127, 0, 0, 1], 5080)
}

/// Address of a phone by its index.
#[must_use]
pub fn phone(index: usize) -> SocketAddr {
    address([127, 0, 1, u8::try_from(index + 1).unwrap_or(255)], 5060)
}

fn address(ip: [u8; 4], port: u16) -> SocketAddr {
    SocketAddr::from((ip, port))
}

/// The `node-id` of a node by its index.
#[must_use]
pub fn node_id(index: usize) -> Option<NodeId> {
    NodeId::new(u16::try_from(index + 1).ok()?)
}

/// One application of the cluster with its own source of ids.
#[derive(Debug)]
pub struct Application<C> {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its core.
    pub core: C,
    /// Salt of the names that it gives.
    pub salt: u32,
    /// Its random bits.
    pub ids: Ids,
}

/// The proxies of a cluster under one key.
#[must_use]
pub fn make_proxies(sealer: &Arc<Sealer>, seed: u64) -> Vec<Application<proxy::Core>> {
    let mut ids = Ids::new(seed);
    proxies()
        .into_iter()
        .enumerate()
        .filter_map(|(index, address)| {
            let settings = proxy_settings(index, address)?;
            let salt = ids.next_u64() as u32;
            let sealer = Arc::new(sealer.salted(salt));
            let core = proxy::Core::new(Arc::new(settings), sealer, ids.next_u64());
            Some(Application { address, core, salt, ids: Ids::new(ids.next_u64()) })
        })
        .collect()
}

fn proxy_settings(index: usize, address: SocketAddr) -> Option<ProxySettings> {
    let nodes = nodes().into_iter().enumerate().filter_map(|(index, address)| {
        Some(NodeOfProxy { id: node_id(index)?, addresses: vec![address], is_local: true })
    });
    Some(ProxySettings {
        name: format!("SIPProxy_dc1_{}", index + 1),
        id: NodeId::new(u16::try_from(index + 101).ok()?)?,
        shard: Shard(1),
        address,
        access: address.to_string(),
        domains: vec!["example.com".to_owned()],
        proxies: proxies(),
        ports: Vec::new(),
        ports_of_all: Vec::new(),
        holders: Vec::new(),
        nodes: nodes.collect(),
        node_protocol: Protocol::Udp,
        expires_default: Duration::from_secs(140),
        expires_min: Duration::from_secs(60),
        expires_max: Duration::from_secs(3600),
        feature_server: None,
    })
}

/// The nodes of a cluster under one key.
#[must_use]
pub fn make_nodes(sealer: &Arc<Sealer>, seed: u64) -> Vec<Application<node::Core>> {
    let mut ids = Ids::new(seed);
    nodes()
        .into_iter()
        .enumerate()
        .filter_map(|(index, address)| {
            let salt = ids.next_u64() as u32;
            let core = node_core(sealer, index, salt, ids.next_u64())?;
            Some(Application { address, core, salt, ids: Ids::new(ids.next_u64()) })
        })
        .collect()
}

/// The core of a node without calls.
#[must_use]
pub fn node_core(sealer: &Sealer, index: usize, salt: u32, seed: u64) -> Option<node::Core> {
    let id = node_id(index)?;
    let address = nodes().get(index).copied()?;
    let stack = user_agent::Settings {
        node: id,
        shard: Shard(1),
        address,
        access: proxies().first()?.to_string(),
        origin_host: address.ip().to_string(),
        proxies: proxies(),
        proxy_protocol: Protocol::Udp,
        direct: false,
        reliable: true,
        session_seconds: 180,
    };
    let keys = NonceKeys::new(sealer.nonce_keys().next()?, None);
    Some(node::Core::new(node::Parts {
        settings: Arc::new(node_settings(id, index)),
        stack: Arc::new(stack),
        sealer: Arc::new(sealer.salted(salt)),
        authenticator: Authenticator::new(REALM, id, keys, Policy::default(), WALL_START),
        epoch: 1,
        seed,
    }))
}

/// No T-Controller tells anything of a DN.
#[must_use]
pub fn unknown(_: DnIndex) -> DnWord {
    DnWord::default()
}

fn node_settings(id: NodeId, index: usize) -> NodeSettings {
    let dns: HashMap<Box<str>, DnKind> = (7001..=7099)
        .map(|dn: u32| {
            let kind = DnKind::Extension {
                password: Some(format!("secret-{dn}").into()),
                strict_auth: true,
                contact: None,
                place: DnIndex(dn),
            };
            (dn.to_string().into(), kind)
        })
        .collect();
    let trunk_address = trunk();
    let trunk = Trunk {
        name: "Trunk_SBC".into(),
        uri: format!("sip:{trunk_address}").into(),
        ip: Some(IpAddr::from([127, 0, 0, 1])),
        host_port: trunk_address.to_string().into(),
        port: trunk_address.port(),
        prefix: "9".into(),
        replace_prefix: None,
        priority: 1,
        geo_location: "dc1".into(),
        error_conversion: vec![CONVERSION],
    };
    NodeSettings {
        name: format!("SIPS_dc1_{}", index + 1),
        node: id,
        geo_location: "dc1".into(),
        direct: false,
        realm: REALM.to_owned(),
        access: proxies().first().map(ToString::to_string).unwrap_or_default(),
        dns,
        trunks: vec![trunk],
        strict_by_default: true,
        proxies: proxies(),
        find_trunk_by_location: false,
        default_route_point: Err(404),
        shutdown_code: 503,
        unknown_gateway_code: 403,
        no_answer_timeout: NO_ANSWER,
        expires_max: Duration::from_secs(3600),
        tells_clients: false,
    }
}
