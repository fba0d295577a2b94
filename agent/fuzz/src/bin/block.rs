//! The block of text that passes through SSM Run Command.
#![cfg_attr(feature = "libfuzzer", no_main)]

use eic_doctor_proto::block;

eic_doctor_fuzz::target!(|bytes| {
    let text = String::from_utf8_lossy(bytes);
    if let Ok((kind, content)) = block::decode(&text) {
        assert!(content.len() <= block::INFLATED_LIMIT);
        let again = block::encode(kind, &content).and_then(|text| block::decode(&text));
        assert_eq!(again.ok(), Some((kind, content)));
    }
});
