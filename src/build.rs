//! Generates the message types of the wire formats. The compiler of the protocol
//! files is a library too, so nothing but cargo is needed.

use std::error::Error;
use std::io::Write as _;

/// Every protocol file, from the root of the package; its package name becomes
/// the name of the generated file.
const PROTOCOLS: &[&str] = &[
    "src/call/call.proto",
    "src/cti/tlib.proto",
    "src/mesh/mesh.proto",
    "src/roles/node/call_manager/bundle.proto",
    "src/roles/node/interaction_proxy/kept.proto",
    "src/sip/state.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut cargo = std::io::stdout().lock();
    writeln!(cargo, "cargo::rerun-if-changed=src/build.rs")?;
    for file in PROTOCOLS {
        writeln!(cargo, "cargo::rerun-if-changed={file}")?;
    }
    let descriptors = protox::compile(PROTOCOLS, ["src"])?;
    // Boxed in events, as they can be inside each other; here for the same reading.
    prost_build::Config::new().boxed(".tlib.v1.Request.Attributes").compile_fds(descriptors)?;
    Ok(())
}
