//! Compiles the protobuf schemas without `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=src/mesh/mesh.proto");
    if std::path::Path::new("src/mesh/mesh.proto").exists() {
        let descriptors = protox::compile(["src/mesh/mesh.proto"], ["src/mesh"])?;
        prost_build::Config::new().bytes(["."]).compile_fds(descriptors)?;
    }
    Ok(())
}
