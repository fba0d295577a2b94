use super::*;

const WANTED: JournalQuery<'static> = JournalQuery { identifiers: &["sshd"], since: 0, entries: 10 };

#[test]
fn what_is_no_journal_is_said_to_be_none() {
    for bytes in [&b""[..], b"LPKSHHRH", &[0; 4096]] {
        assert_eq!(parse_journal(&bytes, &WANTED), Err(JournalError::Signature));
    }
    let mut newer = vec![0; 4096];
    newer[..8].copy_from_slice(SIGNATURE);
    newer[12] = 0x20;
    assert_eq!(parse_journal(&newer.as_slice(), &WANTED), Err(JournalError::Flags(0x20)));
}

#[test]
fn a_file_that_leads_in_a_circle_ends() {
    // One bucket, whose data object is its own successor.
    let mut file = vec![0; 4096];
    let mut put = |at: usize, number: u64| file[at..at + 8].copy_from_slice(&number.to_le_bytes());
    put(88, 208);
    put(104, 512);
    put(112, 16);
    put(512, 1024);
    put(1024, 1);
    put(1032, 72);
    put(1048, 1024);
    file[..8].copy_from_slice(SIGNATURE);
    assert_eq!(parse_journal(&file.as_slice(), &WANTED), Err(JournalError::TooLong));
}
