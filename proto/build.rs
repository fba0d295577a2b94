//! Compiles `v1/*.proto` without a system `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=v1");
    let files = protox::compile(["v1/agent.proto", "v1/enrolment.proto", "v1/operator.proto"], ["."])?;
    tonic_prost_build::configure()
        .codec_path("crate::codec::SmallBuffers")
        .build_transport(false)
        .compile_fds(files)?;
    Ok(())
}
