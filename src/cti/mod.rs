//! What desktops, routers and reporting see: the T-Library language, and how DNs and
//! agents are. Pure; it knows neither shards nor a mesh.

pub mod agent;
pub mod call_stream;
pub mod calls;
pub mod dn;
pub mod kv_list;
pub mod refusal;
pub mod supervision;
pub mod tlib;
