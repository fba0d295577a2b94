//! `GetConsoleOutput`.

use aws_sdk_ec2::operation::get_console_output::GetConsoleOutputOutput;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use eic_doctor_proto::Untrusted;

use super::time;
use crate::facts::ConsoleOutput;

/// What EC2 keeps of it, in bytes. Of more the end counts.
const LIMIT: usize = 64 * 1024;

/// Decoded, as the AWS CLI prints it.
pub fn console_output(from: GetConsoleOutputOutput) -> Result<ConsoleOutput, String> {
    Ok(ConsoleOutput {
        instance_id: from.instance_id,
        output: from.output.as_deref().map(decoded).transpose()?,
        timestamp: time(from.timestamp),
    })
}

fn decoded(output: &str) -> Result<Untrusted, String> {
    let text: String = output.split_ascii_whitespace().collect();
    let bytes = STANDARD.decode(text).map_err(|error| format!("the console output is not base64: {error}"))?;
    let first = bytes.len().saturating_sub(LIMIT);
    Ok(Untrusted::from_bytes(bytes.get(first..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(output: &str) -> Result<ConsoleOutput, String> {
        console_output(GetConsoleOutputOutput::builder().output(output).build())
    }

    #[test]
    fn the_output_is_decoded_and_of_too_much_the_end_is_kept() {
        let text = |encoded: &str| of(encoded).unwrap().output.unwrap().raw().to_owned();
        assert_eq!(text("TGludXg=\n"), "Linux");
        assert_eq!(text(&STANDARD.encode(b"\xff!")), "\u{fffd}!");
        let long = text(&STANDARD.encode(format!("first{}last", "x".repeat(LIMIT))));
        assert!(long.len() == LIMIT && long.ends_with("last"));
    }

    #[test]
    fn what_is_not_base64_is_refused() {
        assert!(of("?").unwrap_err().starts_with("the console output is not base64"));
    }
}
